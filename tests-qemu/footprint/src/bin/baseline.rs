//! The baseline kernel that the others are compared with.
#![no_std]
#![no_main]

kernref_footprint::entry!(|| {});
