;; A global of references: read and written.
(module (global $g (mut externref) (ref.null extern))
  (func (result externref) (global.get $g))
  (func (param externref) (global.set $g (local.get 0))))
