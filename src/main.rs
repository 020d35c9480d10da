//! The `qtrail` program: see `qtrail --help`.

fn main() -> std::process::ExitCode {
    qtrail::cli::main()
}
