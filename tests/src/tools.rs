//! Tools of the machine, and what is built for the tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

/// A command from a Debian package.
///
/// # Panics
/// When the program is not there; the message names the package.
#[must_use]
pub fn tool(program: &str, package: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Network tools live where only root's path may look.
    let more = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")];
    let found = std::env::split_paths(&path)
        .chain(more)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file());
    match found {
        Some(file) => Command::new(file),
        None => panic!(
            "{program} is missing: install Debian package {package} (apt-get install {package})"
        ),
    }
}

/// The server's binary, built once by the cargo that runs the tests, with their profile.
pub(crate) fn isochron() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let built = built_dir();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "-p", "isochron", "--bin", "isochron"])
            .current_dir(manifest_dir());
        if let Some(target) = built.parent() {
            cargo.arg("--target-dir").arg(target);
        }
        match built.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => {}
            Some(profile) => {
                cargo.args(["--profile", profile]);
            }
        }
        run(&mut cargo, "build the server");
        built.join("isochron")
    })
}

/// The driver of libmeanwhile, compiled once; warnings are errors.
pub(crate) fn driver() -> &'static Path {
    static DRIVER: OnceLock<PathBuf> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let flags = tool("pkg-config", "pkg-config")
            .args(["--cflags", "--libs", "meanwhile"])
            .output()
            .expect("pkg-config starts");
        assert!(
            flags.status.success(),
            "libmeanwhile is missing: install Debian package libmeanwhile-dev (apt-get install libmeanwhile-dev)"
        );
        let flags = String::from_utf8(flags.stdout).expect("flags are text");
        let driver = built_dir().join("meanwhile-driver");
        // Another test process may do the same at this moment: each writes its own, the last one stays.
        let own = driver.with_extension(std::process::id().to_string());
        let mut compiler = tool("cc", "gcc");
        compiler
            .args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&own)
            .arg(manifest_dir().join("meanwhile/driver.c"))
            .args(flags.split_whitespace());
        run(&mut compiler, "compile the driver of libmeanwhile");
        std::fs::rename(&own, &driver).expect("the driver moves to its place");
        driver
    })
}

/// A port that nobody listens on.
///
/// Below the range from which the kernel takes ports for outgoing connections, and each number given once
/// per process, so that two tests never get the same.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another process starts elsewhere in the range.
    let start = (std::process::id() % 150) as u16 * 100;
    for _ in 0..COUNT {
        let port = FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if std::net::TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}

/// A new folder for one server or program; short, because socket files have short names.
pub(crate) fn new_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "isochron-test-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let folder = std::env::temp_dir().join(name);
    // What a killed run with the same process id left behind.
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).expect("the temporary folder takes a new one");
    folder
}

fn run(command: &mut Command, what: &str) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|fault| panic!("cannot {what}: {fault}"));
    assert!(
        output.status.success(),
        "cannot {what}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Where cargo put what it built: the folder above that of the test program (`target/debug/deps/x`).
fn built_dir() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its file");
    let dir = program
        .parent()
        .and_then(Path::parent)
        .expect("cargo puts tests two folders deep");
    dir.to_path_buf()
}

/// The folder of this package.
pub(crate) fn manifest_dir() -> PathBuf {
    let dir = std::env::var_os("CARGO_MANIFEST_DIR");
    PathBuf::from(dir.expect("cargo runs the tests and says where their package is"))
}
