//! Heap for each byte of modules that are one function for the most part: of 62 and
//! 125 KB, which the optimizer gets, and of 180, 250 and 360 KB, which are compiled the
//! linear way.

/// What most shapes take at most.
pub const ORDINARY: [u64; 2] = [150, 100];

/// The shapes that take more, and how much at most.
pub const DENSE: &[(&str, [u64; 2])] = &[
    ("nested blocks", [480, 100]),
    ("nested loops", [950, 100]),
    ("nested conditionals", [920, 910]),
    ("entries of branch tables, two targets in turn", [1100, 1120]),
    ("a local and depths of a branch table", [290, 290]),
    ("A5: locals set in nested loops", [260, 260]),
    ("locals and loops", [160, 170]),
    ("locals and loops that set them", [170, 180]),
    ("locals and conditionals", [210, 210]),
    ("locals, loops and conditionals", [450, 440]),
    ("locals and branches out of a block", [150, 150]),
    ("locals and branches to a loop", [230, 230]),
    ("locals and jumps", [150, 150]),
    ("counting barriers", [750, 370]),
    ("constants over blocks", [150, 130]),
    ("sums that are made again after many blocks", [150, 150]),
    ("constants that nothing uses, below many blocks", [150, 130]),
    ("conditionals one after another", [340, 360]),
    ("a chain of comparisons", [630, 730]),
    ("a chain of divisions", [610, 170]),
    ("a chain of loads", [560, 550]),
    ("branch tables to blocks with results", [340, 330]),
    ("loads from a memory of 64 bits", [410, 420]),
    ("A3: loads, a quarter as many locals", [150, 160]),
    ("A3: loads with calls between them", [830, 250]),
    ("A3: blocks of loads, branches and calls", [240, 240]),
    ("A3: loops of loads, calls and branches", [390, 390]),
    ("A4: a chain of conversions", [650, 630]),
    ("lanes of vectors", [220, 100]),
    ("a chain of conversions of vectors", [680, 800]),
    ("a chain of conversions that saturate", [2000, 430]),
    ("copies in place", [1240, 320]),
    ("indirect calls", [960, 1030]),
    ("elements of tables", [610, 600]),
    ("memories that grow", [680, 290]),
    ("results through a block, again and again", [320, 330]),
    ("segments of data and their use", [360, 150]),
];
