;; Calls between host and Wasm. Exports that take a count loop over one call;
;; `loop` is the same loop without the call.
(module
  (import "h" "nop" (func $nop))
  (import "h" "take" (func $take (param externref)))
  (import "h" "give" (func $give (result externref)))
  (import "h" "lend" (func $lend (result externref)))
  (func (export "empty"))
  (func (export "one") (param externref))
  (func (export "loop") (param $n i32)
    (loop $again
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "nop") (param $n i32)
    (loop $again
      (call $nop)
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "take") (param $n i32) (local $object externref)
    (local.set $object (call $give))
    (loop $again
      (call $take (local.get $object))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "lend") (param $n i32)
    (loop $again
      (drop (call $lend))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "give") (param $n i32)
    (loop $again
      (drop (call $give))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
