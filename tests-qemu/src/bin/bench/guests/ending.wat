;; Guests that never end.
(module
  (memory 64)
  (func (export "spin") (loop $again (br $again)))
  (func $tail (export "tail") (return_call $other))
  (func $other (return_call $tail))
  (func (export "fill")
    (loop $again
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x400000))
      (br $again))))
