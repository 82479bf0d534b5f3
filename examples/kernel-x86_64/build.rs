//! Assembles the guest, and names the linker script.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    let guest = wat::parse_file("src/guest.wat").expect("a module in text form");
    std::fs::write(format!("{out}/guest.wasm"), guest).expect("a folder for what is built");
    println!("cargo:rustc-link-arg-bins=-T{folder}/link.ld");
    println!("cargo:rustc-link-arg-bins=--gc-sections");
    println!("cargo:rerun-if-changed=link.ld");
    println!("cargo:rerun-if-changed=src/guest.wat");
}
