//! The program `noded`; see the library.

fn main() -> std::process::ExitCode {
    node::main()
}
