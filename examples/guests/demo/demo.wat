;; The bundled demonstration: kernel objects held as externrefs, in every way
;; WebAssembly can hold a reference.
;;
;;   a local     $console, $clock, $keeper: costs nothing, lives in the frame, and
;;               must be found there when a collection walks the stack
;;   a table     $blocks: counted; overwriting an entry drops what was there
;;   a global    $counter: counted
;;   no place    the blocks of $churn: dead as soon as the next one is made
;;
;; `run` returns 0, or says what went wrong:
;;   1  an object that always exists could not be had
;;   2  no memory for a block
;;   3  a block's length or contents are wrong
;;   4  the counter is wrong
;;   5  the table is not as it should be
;;
;; Whatever it returns, nothing is held afterwards; it can be called again.
(module $demo
  (import "kernel" "console_open" (func $console_open (result externref)))
  (import "kernel" "console_write" (func $console_write (param externref i32 i32)))
  (import "kernel" "clock_open" (func $clock_open (result externref)))
  (import "kernel" "clock_now_ns" (func $clock_now_ns (param externref) (result i64)))
  (import "kernel" "block_alloc" (func $block_alloc (param i32) (result externref)))
  (import "kernel" "block_len" (func $block_len (param externref) (result i32)))
  (import "kernel" "block_read"
    (func $block_read (param externref i32 i32 i32) (result i32)))
  (import "kernel" "block_write"
    (func $block_write (param externref i32 i32 i32) (result i32)))
  (import "kernel" "counter_open" (func $counter_open (param i32 i32) (result externref)))
  (import "kernel" "counter_add" (func $counter_add (param externref i64) (result i64)))

  (memory (export "memory") 1)

  ;; Texts lie 64 bytes apart. 0x400: scratch for block contents.
  ;; 0x500: digits, written from here downwards.
  (data (i32.const 0x000) "Hello from WebAssembly, inside the kernel.\n")
  (data (i32.const 0x040) "demo.blocks")
  (data (i32.const 0x080) "table: 8 blocks stored, 4 overwritten, 4 more grown\n")
  (data (i32.const 0x0c0) "churn: blocks made and forgotten: ")
  (data (i32.const 0x100) "counter demo.blocks: ")
  (data (i32.const 0x140) "elapsed: microseconds: ")
  (data (i32.const 0x180) "Goodbye: everything is dropped now.\n")
  (data (i32.const 0x1c0) "\n")

  ;; Objects that outlive a call of one of the functions below.
  (table $blocks 8 12 externref)
  (global $counter (mut externref) (ref.null extern))

  ;; How many short-lived blocks to make: more than the activations table holds,
  ;; so that the runtime has to collect while $churn is running.
  (global $churned i32 (i32.const 160))

  ;; ---- text ----------------------------------------------------------------

  ;; Writes LABEL, NUMBER in decimal, and a line end.
  (func $say_number (param $console externref)
                    (param $label i32) (param $label_len i32) (param $number i64)
    (local $at i32)
    (call $console_write (local.get $console) (local.get $label) (local.get $label_len))
    (local.set $at (i32.const 0x500))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) ;; '0'
          (i32.wrap_i64 (i64.rem_u (local.get $number) (i64.const 10)))))
      (local.set $number (i64.div_u (local.get $number) (i64.const 10)))
      (br_if $digit (i64.ne (local.get $number) (i64.const 0))))
    (call $console_write (local.get $console)
      (local.get $at) (i32.sub (i32.const 0x500) (local.get $at)))
    (call $console_write (local.get $console) (i32.const 0x1c0) (i32.const 1)))

  ;; ---- blocks --------------------------------------------------------------

  ;; Counts a block that was made.
  (func $count
    (drop (call $counter_add (global.get $counter) (i64.const 1))))

  ;; Writes STAMP into the block's last eight bytes. 0, or 3.
  (func $stamp (param $block externref) (param $stamp i64) (result i32)
    (i64.store (i32.const 0x400) (local.get $stamp))
    (if (result i32)
      (call $block_write (local.get $block)
        (i32.sub (call $block_len (local.get $block)) (i32.const 8))
        (i32.const 0x400) (i32.const 8))
      (then (i32.const 3))
      (else (i32.const 0))))

  ;; Whether the block is LEN bytes long and ends with STAMP. 0, or 3.
  (func $check (param $block externref) (param $len i32) (param $stamp i64) (result i32)
    (if (i32.ne (call $block_len (local.get $block)) (local.get $len))
      (then (return (i32.const 3))))
    (i64.store (i32.const 0x400) (i64.const -1))
    (if (call $block_read (local.get $block)
          (i32.sub (local.get $len) (i32.const 8)) (i32.const 0x400) (i32.const 8))
      (then (return (i32.const 3))))
    (if (i64.ne (i64.load (i32.const 0x400)) (local.get $stamp))
      (then (return (i32.const 3))))
    ;; One byte past the end must be refused.
    (if (i32.ne (i32.const -1)
          (call $block_read (local.get $block)
            (i32.sub (local.get $len) (i32.const 7)) (i32.const 0x400) (i32.const 8)))
      (then (return (i32.const 3))))
    (i32.const 0))

  ;; Puts a new block of LEN bytes, stamped with its index, into entry INDEX.
  ;; What the entry held before is released at once: nothing else holds it.
  (func $place (param $index i32) (param $len i32) (result i32)
    (local $block externref)
    (local.set $block (call $block_alloc (local.get $len)))
    (if (ref.is_null (local.get $block))
      (then (return (i32.const 2))))
    (call $count)
    (table.set $blocks (local.get $index) (local.get $block))
    (call $stamp (local.get $block) (i64.extend_i32_u (local.get $index))))

  ;; ---- the three acts ------------------------------------------------------

  ;; Eight entries of 4096 bytes; the even ones are overwritten with 8192 bytes;
  ;; then four more entries, which all refer to the block of entry 1.
  (func $fill (result i32)
    (local $index i32) (local $status i32)
    (loop $next
      (if (local.tee $status (call $place (local.get $index) (i32.const 4096)))
        (then (return (local.get $status))))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $index) (i32.const 8))))

    (local.set $index (i32.const 0))
    (loop $next
      (if (local.tee $status (call $place (local.get $index) (i32.const 8192)))
        (then (return (local.get $status))))
      (local.set $index (i32.add (local.get $index) (i32.const 2)))
      (br_if $next (i32.lt_u (local.get $index) (i32.const 8))))

    ;; The table stays large when `run` is called again.
    (if (i32.eq (table.size $blocks) (i32.const 8))
      (then
        (if (i32.ne (i32.const 8)
              (table.grow $blocks (table.get $blocks (i32.const 1)) (i32.const 4)))
          (then (return (i32.const 5)))))
      (else
        (table.fill $blocks
          (i32.const 8) (table.get $blocks (i32.const 1)) (i32.const 4))))

    ;; Entry 1 itself may go: the new entries still hold its block.
    (table.set $blocks (i32.const 1) (ref.null extern))
    (i32.const 0))

  ;; Whether the table still holds what $fill put there, after everything since.
  (func $verify (result i32)
    (local $index i32) (local $status i32)
    (if (i32.eqz (ref.is_null (table.get $blocks (i32.const 1))))
      (then (return (i32.const 5))))
    (local.set $index (i32.const 0))
    (loop $next
      (if (i32.ne (local.get $index) (i32.const 1))
        (then
          (if (local.tee $status
                (call $check (table.get $blocks (local.get $index))
                  (if (result i32)
                    (i32.or (i32.and (local.get $index) (i32.const 1))
                            (i32.ge_u (local.get $index) (i32.const 8)))
                    (then (i32.const 4096))
                    (else (i32.const 8192)))
                  (if (result i64)
                    (i32.ge_u (local.get $index) (i32.const 8))
                    (then (i64.const 1))
                    (else (i64.extend_i32_u (local.get $index))))))
            (then (return (local.get $status))))))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $index) (i32.const 12))))
    (i32.const 0))

  ;; Makes many blocks and keeps none except the first: $keeper, in a local
  ;; only. A collection in between must release the others and find this one.
  (func $churn (result i32)
    (local $keeper externref) (local $block externref)
    (local $number i32) (local $status i32)
    (local.set $keeper (call $block_alloc (i32.const 64)))
    (if (ref.is_null (local.get $keeper)) (then (return (i32.const 2))))
    (call $count)
    (if (local.tee $status (call $stamp (local.get $keeper) (i64.const 0x6b656570)))
      (then (return (local.get $status))))

    (local.set $number (i32.const 1))
    (loop $next
      (local.set $block (call $block_alloc (i32.const 256)))
      (if (ref.is_null (local.get $block)) (then (return (i32.const 2))))
      (call $count)
      (if (local.tee $status
            (call $stamp (local.get $block) (i64.extend_i32_u (local.get $number))))
        (then (return (local.get $status))))
      (if (local.tee $status
            (call $check (local.get $block)
              (i32.const 256) (i64.extend_i32_u (local.get $number))))
        (then (return (local.get $status))))
      (local.set $number (i32.add (local.get $number) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $number) (global.get $churned))))

    (call $check (local.get $keeper) (i32.const 64) (i64.const 0x6b656570)))

  ;; ---- the play ------------------------------------------------------------

  ;; All acts, with the console and the clock in locals throughout.
  (func $perform (param $console externref) (result i32)
    (local $clock externref)
    (local $started_ns i64) (local $before i64) (local $made i64) (local $status i32)
    (local.set $clock (call $clock_open))
    (global.set $counter (call $counter_open (i32.const 0x040) (i32.const 11)))
    (if (i32.or (ref.is_null (local.get $clock)) (ref.is_null (global.get $counter)))
      (then (return (i32.const 1))))
    (local.set $started_ns (call $clock_now_ns (local.get $clock)))
    (local.set $before (call $counter_add (global.get $counter) (i64.const 0)))

    (if (local.tee $status (call $fill)) (then (return (local.get $status))))
    (call $console_write (local.get $console) (i32.const 0x080) (i32.const 52))

    (if (local.tee $status (call $churn)) (then (return (local.get $status))))
    (call $say_number (local.get $console) (i32.const 0x0c0) (i32.const 34)
      (i64.extend_i32_u (global.get $churned)))

    (if (local.tee $status (call $verify)) (then (return (local.get $status))))

    ;; The counter is shared by name: others may have counted too, so what was
    ;; added is compared, and more than expected is no error.
    (local.set $made
      (i64.sub (call $counter_add (global.get $counter) (i64.const 0))
               (local.get $before)))
    (call $say_number (local.get $console) (i32.const 0x100) (i32.const 21)
      (local.get $made))
    (if (i64.lt_s (local.get $made)
          (i64.extend_i32_u (i32.add (global.get $churned) (i32.const 12))))
      (then (return (i32.const 4))))

    (call $say_number (local.get $console) (i32.const 0x140) (i32.const 23)
      (i64.div_u
        (i64.sub (call $clock_now_ns (local.get $clock)) (local.get $started_ns))
        (i64.const 1000)))
    (call $console_write (local.get $console) (i32.const 0x180) (i32.const 36))
    (i32.const 0))

  (func $run (export "run") (result i32)
    (local $console externref) (local $status i32)
    (local.set $console (call $console_open))
    (if (ref.is_null (local.get $console)) (then (return (i32.const 1))))
    (call $console_write (local.get $console) (i32.const 0x000) (i32.const 43))
    (local.set $status (call $perform (local.get $console)))
    ;; Drop what would outlive the call. Locals need no such care.
    (table.fill $blocks (i32.const 0) (ref.null extern) (table.size $blocks))
    (global.set $counter (ref.null extern))
    (local.get $status)))
