//! To be filled.

/// Runs the program `noded`.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
