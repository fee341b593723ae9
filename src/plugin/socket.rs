//! The unix socket core connects to: where it is put, and who may open it.
//!
//! A unix socket rather than a TCP port, because the file's mode keeps other users of the machine out.
//! Windows would need TCP and is not supported yet.

#[cfg(not(unix))]
compile_error!("the provider serves on a unix socket; Windows is not supported yet");

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::handshake::Environment;

/// The longest path a socket may have, in bytes: `sun_path` holds 104 with its final zero on macOS, 108 on
/// Linux.
const LONGEST_PATH: usize = 103;

/// The fallback directory, if the requested directories cannot be used.
const LAST_RESORT: &str = "/tmp";

const GROUP_FILE: &str = "/etc/group";

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No directory was usable.
    #[error(
        "cannot listen on a unix socket in any of {directories:?} (set TMPDIR to a short, writable path)"
    )]
    Listen {
        /// The directories tried.
        directories: Vec<PathBuf>,
        /// The error of the last directory.
        #[source]
        source: io::Error,
    },
    /// The group to give it to does not exist.
    #[error("cannot find group {group:?}, named by PLUGIN_UNIX_SOCKET_GROUP")]
    Group {
        /// As given.
        group: String,
    },
    /// The socket cannot be given to the group, or cannot be closed to others.
    #[error("cannot set owner and mode of {path:?}")]
    Permissions {
        /// The socket.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// A listening socket. Dropping it removes the file.
#[derive(Debug)]
pub struct Socket {
    pub listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens where the host wants it, otherwise in the directory for temporary files, otherwise in /tmp.
    pub fn listen(environment: &Environment) -> Result<Socket, Error> {
        let mut directories: Vec<PathBuf> = environment.socket_directory.iter().cloned().collect();
        directories.extend([std::env::temp_dir(), PathBuf::from(LAST_RESORT)]);
        let socket = Socket::bind_in(&directories)?;
        socket.restrict(environment.socket_group.as_deref())?;
        Ok(socket)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first directory in which a socket can be created is used. A long TMPDIR is common on macOS and in
    /// CI.
    fn bind_in(directories: &[PathBuf]) -> Result<Socket, Error> {
        let mut source = io::Error::from(io::ErrorKind::InvalidFilename);
        for directory in directories {
            let path = directory.join(format!("plugin{:016x}", random()));
            if path.as_os_str().len() > LONGEST_PATH {
                continue;
            }
            match UnixListener::bind(&path) {
                Ok(listener) => return Ok(Socket { listener, path }),
                Err(error) => source = error,
            }
        }
        Err(Error::Listen { directories: directories.to_vec(), source })
    }

    /// Only our user may connect, and the group if the host named one.
    fn restrict(&self, group: Option<&str>) -> Result<(), Error> {
        let failed = |source| Error::Permissions { path: self.path.clone(), source };
        let mode = match group {
            None => 0o600,
            Some(group) => {
                chown(&self.path, None, Some(group_id(group)?)).map_err(failed)?;
                0o660
            }
        };
        fs::set_permissions(&self.path, fs::Permissions::from_mode(mode)).map_err(failed)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Somebody may have removed the file before, which is just as good.
        let _ = fs::remove_file(&self.path);
    }
}

/// A unique name: the standard library seeds its hashers from the operating system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn group_id(group: &str) -> Result<u32, Error> {
    let by_name = || find_group(&fs::read_to_string(GROUP_FILE).unwrap_or_default(), group);
    group.parse().ok().or_else(by_name).ok_or_else(|| Error::Group { group: group.to_owned() })
}

/// `name:password:number:members`
fn find_group(group_file: &str, name: &str) -> Option<u32> {
    let mut lines = group_file.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| if fields.next() == Some(name) { fields.nth(1)?.parse().ok() } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn falls_back_from_a_long_path_and_a_missing_directory() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("x".repeat(LONGEST_PATH));
        let missing = directory.path().join("missing");
        let socket = Socket::bind_in(&[long.clone(), missing.clone(), directory.path().into()]).unwrap();
        assert_eq!(socket.path().parent(), Some(directory.path()));

        let error = Socket::bind_in(&[long, missing]).unwrap_err();
        assert!(matches!(error, Error::Listen { .. }), "{error}");
    }

    #[tokio::test]
    async fn only_our_user_may_connect_and_the_file_goes_with_the_socket() {
        let directory = tempfile::tempdir().unwrap();
        let environment =
            Environment { socket_directory: Some(directory.path().into()), ..Default::default() };
        let socket = Socket::listen(&environment).unwrap();
        let path = socket.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_hosts_group_may_connect() {
        use std::os::unix::fs::MetadataExt;

        let directory = tempfile::tempdir().unwrap();
        let our_group = fs::metadata(directory.path()).unwrap().gid();
        let environment = Environment {
            socket_directory: Some(directory.path().into()),
            socket_group: Some(our_group.to_string()),
            ..Default::default()
        };
        let socket = Socket::listen(&environment).unwrap();
        assert_eq!(fs::metadata(socket.path()).unwrap().permissions().mode() & 0o777, 0o660);

        let environment = Environment { socket_group: Some("no such group".into()), ..environment };
        assert!(matches!(Socket::listen(&environment), Err(Error::Group { .. })));
    }

    #[test]
    fn groups_by_name() {
        let file = "root:x:0:\nplugins:x:1234:a,b\n";
        assert_eq!(find_group(file, "plugins"), Some(1234));
        assert_eq!(find_group(file, "plug"), None);
    }
}
