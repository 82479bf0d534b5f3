//! The kernel that all others are compared with.
#![no_std]
#![no_main]

kernref_footprint::entry!(|| {});
