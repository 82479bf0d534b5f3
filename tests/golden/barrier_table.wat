;; A table of references: read and written, both after a check.
(module (table $t 4 externref)
  (func (param i32) (result externref) (table.get $t (local.get 0)))
  (func (param i32 externref) (table.set $t (local.get 0) (local.get 1))))
