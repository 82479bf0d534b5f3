;; The same through a pointer.
(module (import "" "g" (global $g (mut externref)))
  (func (result externref) (global.get $g))
  (func (param externref) (global.set $g (local.get 0))))
