;;! show: exit stub
;; From Wasm to a function of the host.
(module (import "" "f" (func (param i32 f64 externref) (result externref i64)))
  (import "" "g" (func)))
