//! A new migration is a new file, which cargo wouldn't notice by itself.
fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
