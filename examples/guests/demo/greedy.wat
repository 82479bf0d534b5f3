;; A guest that takes kernel objects and, if its number is odd, never ends: what
;; `./x run --smp 4 --guests 12 --timeout 2 examples/guests/demo/greedy.wat` is for.
;;
;; Which way it never ends depends on the number:
;;   1, 7 …  a loop that does nothing
;;   3, 9 …  a loop that makes blocks and forgets them, and stores others
;;   5, 11 … calls that never return, and large copies between them
;; A guest with an even number stores the same objects and returns how many.
(module $greedy
  (import "kernel" "guest_number" (func $guest_number (result i32)))
  (import "kernel" "console_open" (func $console_open (result externref)))
  (import "kernel" "console_write" (func $console_write (param externref i32 i32)))
  (import "kernel" "clock_open" (func $clock_open (result externref)))
  (import "kernel" "block_alloc" (func $block_alloc (param i32) (result externref)))

  (memory (export "memory") 4)
  (data (i32.const 0) "here I stay\n")
  (data (i32.const 64) "here I was\n")

  (table $blocks 8 8 externref)
  (global $clock (mut externref) (ref.null extern))

  (func $take
    (local $at i32)
    (global.set $clock (call $clock_open))
    (loop $next
      (table.set $blocks (local.get $at) (call $block_alloc (i32.const 5000)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (table.size $blocks)))))

  (func $idle (loop $again (br $again)))

  (func $churn
    (local $at i32)
    (loop $again
      (drop (call $block_alloc (i32.const 100)))
      (table.set $blocks
        (i32.and (local.get $at) (i32.const 7)) (call $block_alloc (i32.const 100)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $again)))

  (func $call
    (memory.copy (i32.const 4096) (i32.const 8192) (i32.const 200000))
    (return_call $call_again))
  (func $call_again (return_call $call))

  (func (export "run") (result i32)
    (local $console externref) (local $number i32)
    (local.set $number (call $guest_number))
    (local.set $console (call $console_open))
    (call $take)
    (if (i32.eqz (i32.and (local.get $number) (i32.const 1)))
      (then
        (call $console_write (local.get $console) (i32.const 64) (i32.const 11))
        (return (table.size $blocks))))
    (call $console_write (local.get $console) (i32.const 0) (i32.const 12))
    (if (i32.eq (i32.rem_u (local.get $number) (i32.const 6)) (i32.const 1)) (then (call $idle)))
    (if (i32.eq (i32.rem_u (local.get $number) (i32.const 6)) (i32.const 3)) (then (call $churn)))
    (call $call)
    ;; Still held here, though nothing comes of it.
    (call $console_write (local.get $console) (i32.const 0) (i32.const 12))
    (i32.const 0)))
