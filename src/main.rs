//! The `postround` command.

fn main() -> std::process::ExitCode {
    postround::cli::main()
}
