;;! show: stub of
;;! lines with: function, sig, readonly
;; All builtins' stubs, of which `stub_builtin.wat` shows two in full: what they
;; take, which pointer they load, and whether they may unwind (`sig1`).
(module (memory 1) (table $t 4 externref) (global $g (mut externref) (ref.null extern))
  (data $d "abc") (elem $e externref (ref.null extern))
  (func (param i32 i32 i32 externref) (result externref)
    (drop (memory.grow (local.get 0)))
    (memory.init $d (local.get 0) (local.get 1) (local.get 2)) (data.drop $d)
    (drop (table.grow $t (local.get 3) (local.get 0)))
    (table.fill $t (local.get 0) (local.get 3) (local.get 1))
    (table.copy $t $t (local.get 0) (local.get 1) (local.get 2))
    (table.init $t $e (local.get 0) (local.get 1) (local.get 2)) (elem.drop $e)
    (global.set $g (local.get 3)) (global.get $g)))
