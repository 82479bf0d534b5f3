;;! show: entry shim
;; From the host into a Wasm function.
(module (func (export "f") (param i32 f64 externref v128) (result externref i64)
  (local.get 2) (i64.const 1)))
