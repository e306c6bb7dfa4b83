//! A server of one page for this machine: a Unix socket or a loopback port. However its clients
//! behave, it answers a bounded number of them at once and each for a bounded time.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// So many requests are answered at once.
const MOST: usize = 8;

/// A client may take so long for its request and for reading the answer, together.
const PATIENCE: Duration = Duration::from_secs(5);

/// And so long if it is told that all are busy.
const HASTE: Duration = Duration::from_millis(100);

/// A request's head may be so long.
const LONGEST: usize = 8 << 10;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    #[cfg(unix)]
    Unix(std::path::PathBuf),
    Port(SocketAddr),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("the path of the socket is empty".to_owned()),
                path => Ok(Self::Unix(path.into())),
            };
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self::Port(address)),
            Ok(_) => Err("only loopback addresses, 127.0.0.1 or [::1], are served".to_owned()),
            Err(_) => Err("expected unix:PATH or 127.0.0.1:PORT".to_owned()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Port(address) => write!(f, "{address}"),
        }
    }
}

/// A socket that is listened on. A Unix socket's file goes with it.
pub(crate) enum Server {
    #[cfg(unix)]
    Unix(unix::Socket),
    Port(TcpListener),
}

impl Server {
    /// `mode` is for the file of a Unix socket.
    #[cfg_attr(not(unix), expect(unused_variables, reason = "there are no files"))]
    pub(crate) fn bind(address: &Address, mode: u32) -> Result<Self> {
        match address {
            #[cfg(unix)]
            Address::Unix(path) => unix::Socket::bind(path, mode).map(Self::Unix),
            Address::Port(port) => TcpListener::bind(port).map(Self::Port),
        }
        .with_context(|| format!("cannot serve on {address}"))
    }

    /// Where it can be asked.
    pub(crate) fn address(&self) -> String {
        match self {
            #[cfg(unix)]
            Self::Unix(socket) => format!("unix:{}", socket.path.display()),
            Self::Port(listener) => listener.local_addr().map_or_else(
                |error| error.to_string(),
                |it| format!("http://{it}/metrics"),
            ),
        }
    }

    /// What answers, in a thread of its own.
    pub(crate) fn acceptor(&self) -> Result<Acceptor> {
        Ok(match self {
            #[cfg(unix)]
            Self::Unix(socket) => Acceptor::Unix(socket.listener.try_clone()?),
            Self::Port(listener) => Acceptor::Port(listener.try_clone()?),
        })
    }
}

/// Accepts connections and answers them.
pub(crate) enum Acceptor {
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
    Port(TcpListener),
}

impl Acceptor {
    /// Answers requests for /metrics with what `page` makes, for ever.
    pub(crate) fn serve(self, page: impl Fn() -> Result<String> + Send + Sync + 'static) {
        let page = Arc::new(page);
        let busy = Arc::new(AtomicUsize::new(0));
        loop {
            let Ok(connection) = self.accept() else {
                // Out of descriptors, most likely: others must end first.
                thread::sleep(Duration::from_millis(100));
                continue;
            };
            let turn = Turn::take(&busy);
            if turn.is_none() {
                let mut client = Client::new(connection, HASTE);
                let _ = client.head();
                client.answer("503 Service Unavailable", "busy\n", true);
                continue;
            }
            let client = Client::new(connection, PATIENCE);
            let page = Arc::clone(&page);
            thread::spawn(move || {
                let _turn = turn;
                client.serve(&*page);
            });
        }
    }

    fn accept(&self) -> io::Result<Box<dyn Connection>> {
        Ok(match self {
            #[cfg(unix)]
            Self::Unix(listener) => Box::new(listener.accept()?.0),
            Self::Port(listener) => Box::new(listener.accept()?.0),
        })
    }
}

/// One of those who are answered; others may take its place when it is dropped.
struct Turn(Arc<AtomicUsize>);

impl Turn {
    fn take(busy: &Arc<AtomicUsize>) -> Option<Self> {
        let turn = Self(Arc::clone(busy));
        (busy.fetch_add(1, Ordering::Relaxed) < MOST).then_some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What both kinds of sockets can do.
trait Connection: Read + Write + Send {
    fn set_limit(&self, limit: Duration) -> io::Result<()>;

    fn say_no_more(&self) -> io::Result<()>;
}

impl Connection for TcpStream {
    fn set_limit(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))?;
        self.set_write_timeout(Some(limit))
    }

    fn say_no_more(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

#[cfg(unix)]
impl Connection for std::os::unix::net::UnixStream {
    fn set_limit(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))?;
        self.set_write_timeout(Some(limit))
    }

    fn say_no_more(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

struct Client {
    connection: Box<dyn Connection>,
    end: Instant,
}

/// What a client asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Page {
        with_body: bool,
    },
    /// And the status that says why there is none.
    Nothing(&'static str),
}

impl Client {
    fn new(connection: Box<dyn Connection>, patience: Duration) -> Self {
        Self {
            connection,
            end: Instant::now() + patience,
        }
    }

    fn serve(mut self, page: &impl Fn() -> Result<String>) {
        let Ok(head) = self.head() else {
            return;
        };
        match asked(&head) {
            Asked::Nothing(status) => self.answer(status, "see /metrics\n", true),
            Asked::Page { with_body } => match page() {
                Ok(text) => self.answer("200 OK", &text, with_body),
                Err(error) => {
                    self.answer("500 Internal Server Error", &format!("{error:#}\n"), true);
                }
            },
        }
    }

    /// Reads up to the end of the request's head; what is too long comes cut.
    fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        let mut piece = [0; 1024];
        while head.len() < LONGEST {
            self.hurry()?;
            match self.connection.read(&mut piece)? {
                0 => break,
                read => head.extend_from_slice(&piece[..read]),
            }
            if head.windows(4).any(|end| end == b"\r\n\r\n") {
                break;
            }
        }
        Ok(head)
    }

    /// Whoever is refused or slow is not waited for, and nobody is there to hear that it failed.
    fn answer(&mut self, status: &str, text: &str, with_body: bool) {
        let head = format!(
            "HTTP/1.1 {status}\r\n\
             Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
             Content-Length: {}\r\n\
             Connection: close\r\n\r\n",
            text.len()
        );
        let body = if with_body { text } else { "" };
        let _ = self
            .write(head.as_bytes())
            .and_then(|()| self.write(body.as_bytes()))
            .and_then(|()| self.part());
    }

    /// Closes a connection so that the answer arrives: closed with something unread it would be
    /// reset, and the client might lose what it has not read yet.
    fn part(&mut self) -> io::Result<()> {
        self.connection.say_no_more()?;
        let mut unread = [0; 1024];
        for _ in 0..64 {
            self.hurry()?;
            if self.connection.read(&mut unread)? == 0 {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.hurry()?;
            match self.connection.write(bytes)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => bytes = &bytes[written..],
            }
        }
        Ok(())
    }

    /// Gives the next step what is left of the time.
    fn hurry(&self) -> io::Result<()> {
        match self.end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => self.connection.set_limit(left),
        }
    }
}

fn asked(head: &[u8]) -> Asked {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let is_whole = request.parse(head).is_ok_and(|status| status.is_complete());
    let (Some(method), Some(path), true) = (request.method, request.path, is_whole) else {
        return Asked::Nothing("400 Bad Request");
    };
    let path = path.split('?').next();
    match method {
        "GET" | "HEAD" if path == Some("/metrics") => Asked::Page {
            with_body: method == "GET",
        },
        "GET" | "HEAD" => Asked::Nothing("404 Not Found"),
        _ => Asked::Nothing("405 Method Not Allowed"),
    }
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::io;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};

    use rustix::fs::Mode;
    use rustix::process::umask;

    /// A socket and its file, which is removed with it.
    pub(crate) struct Socket {
        pub(super) listener: UnixListener,
        pub(super) path: PathBuf,
        /// What tells the file from one that another server may have put in its place.
        inode: u64,
    }

    impl Socket {
        pub(super) fn bind(path: &Path, mode: u32) -> io::Result<Self> {
            remove_if_dead(path)?;
            // It appears with its mode: nobody can come in before.
            let before = umask(Mode::from_bits_truncate((!mode & 0o777) as _));
            let bound = UnixListener::bind(path);
            umask(before);
            Ok(Self {
                listener: bound?,
                path: path.to_owned(),
                inode: fs::symlink_metadata(path)?.ino(),
            })
        }
    }

    /// A server that was killed leaves its file, which nobody can connect to.
    fn remove_if_dead(path: &Path) -> io::Result<()> {
        let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
        if !is_socket {
            return Ok(());
        }
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            // Binding says that it is taken.
            _ => Ok(()),
        }
    }

    impl Drop for Socket {
        fn drop(&mut self) {
            let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|it| it.ino() == self.inode);
            if is_ours {
                let _ = fs::remove_file(&self.path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_served() {
        let parse = str::parse::<Address>;
        assert!(parse("127.0.0.1:9782").is_ok() && parse("[::1]:0").is_ok());
        for wrong in [
            "0.0.0.0:80",
            "[::]:80",
            "192.168.1.1:80",
            "127.0.0.1",
            "localhost:80",
            ":80",
            "unix:",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn requests_are_read_with_care() {
        let get = |with_body| Asked::Page { with_body };
        assert_eq!(
            asked(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
            get(true)
        );
        assert_eq!(asked(b"GET /metrics?x=1 HTTP/1.0\r\n\r\n"), get(true));
        assert_eq!(asked(b"HEAD /metrics HTTP/1.1\r\n\r\n"), get(false));
        let status = |head: &[u8]| match asked(head) {
            Asked::Nothing(status) => status[..3].to_owned(),
            asked => panic!("{asked:?}"),
        };
        assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), "404");
        assert_eq!(status(b"POST /metrics HTTP/1.1\r\n\r\n"), "405");
        for wrong in [
            &b""[..],
            b"GET /metrics HTTP/1.1\r\n",
            b"\xff\x00\r\n\r\n",
            &[b'a'; LONGEST],
        ] {
            assert_eq!(status(wrong), "400");
        }
    }
}
