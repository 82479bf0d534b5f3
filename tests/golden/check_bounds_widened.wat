;;! under: zero-count, clone-on-read, zeal, hardware-traps
;; One check for two loads; two checks if there is a visible side effect in between.
(module (memory 1) (global $g (mut i32) (i32.const 0))
  (func (param i32) (result i32)
    (i32.add (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func (param i32) (result i32)
    (i32.load (local.get 0)) (global.set $g (local.get 0)) (i32.load offset=8 (local.get 0)) i32.add)
  (func (param i32) (result i32)
    (i32.add (i32.load offset=8 (local.get 0)) (i32.load (local.get 0)))))
