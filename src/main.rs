//! The `paperpost` program; everything is in the library's [`paperpost::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    paperpost::cli::main()
}
