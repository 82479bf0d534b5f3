;; Ranges of tables, of counted references and of functions: by the runtime.
(module (table $t 4 externref) (table $u 4 externref) (table $f 4 funcref)
  (elem $e externref (ref.null extern))
  (func (param i32 externref funcref) (result i32)
    (table.fill $t (local.get 0) (local.get 1) (i32.const 3))
    (table.fill $f (local.get 0) (local.get 2) (i32.const 3))
    (table.grow $t (local.get 1) (local.get 0)) (table.size $t) i32.add
    (table.grow $f (local.get 2) (local.get 0)) i32.add)
  (func (param i32 i32 i32)
    (table.copy $u $t (local.get 0) (local.get 1) (local.get 2))
    (table.init $t $e (local.get 0) (local.get 1) (local.get 2)) (elem.drop $e)))
