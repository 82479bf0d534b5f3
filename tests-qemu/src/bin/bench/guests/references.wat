;; Reading and writing references, net of the same loop without the access:
;; `index` for accesses that use the index, `loop` for the rest.
(module
  (import "h" "give" (func $give (result externref)))
  (table $kept 16 externref)
  (global $one (mut externref) (ref.null extern))
  (func (export "setup")
    (table.fill $kept (i32.const 0) (call $give) (i32.const 16))
    (global.set $one (call $give)))
  (func (export "index") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum)
        (i32.eqz (i32.and (local.get $n) (i32.const 15)))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "table.get") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum)
        (ref.is_null (table.get $kept (i32.and (local.get $n) (i32.const 15))))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "loop") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "global.get") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (ref.is_null (global.get $one))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "table.set") (param $n i32) (result i32)
    (local $sum i32) (local $object externref)
    (local.set $object (call $give))
    (loop $again
      (local.set $sum (i32.add (local.get $sum)
        (i32.eqz (i32.and (local.get $n) (i32.const 15)))))
      (table.set $kept (i32.and (local.get $n) (i32.const 15)) (local.get $object))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
