//! A Lambda emulator of a test's own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Ends its process with the test.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn secrets() -> Value {
    let dir = PathBuf::from(std::env::var("HOLDFAST_STACK").unwrap()).parent().unwrap().to_owned();
    serde_json::from_slice(&std::fs::read(dir.join("secrets.json")).unwrap()).unwrap()
}

/// An emulator of its own: the stack's would hand an invocation to instances that are not behind the pooler.
pub fn emulator(port: u16) -> Ended {
    let mut command = Command::new(stack::tools::cargo_lambda().unwrap());
    command.args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1", "--invoke-port"]);
    command.arg(port.to_string()).arg("--manifest-path").arg(stack::workspace::root().join("Cargo.toml"));
    Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// From where no outgoing connection takes its own.
pub fn free_port() -> u16 {
    stack::free_port().unwrap()
}
