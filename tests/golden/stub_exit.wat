;;! show: exit stub
;; From Wasm to a host function.
(module (import "" "f" (func (param i32 f64 externref) (result externref i64)))
  (import "" "g" (func)))
