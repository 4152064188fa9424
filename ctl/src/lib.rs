//! To be filled.

/// Runs the program `ctl`.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
