//! Waiting for the end that the user asks for, and not dying of what is meant for a child.

#[cfg(unix)]
pub(crate) use unix::{End, run};

#[cfg(not(unix))]
pub(crate) use other::{End, run};

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::FileTypeExt as _;
    use std::process::{Command, ExitStatus};
    use std::thread;

    use rustix::io::Errno;
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::iterator::Signals;

    /// The end of a program that only holds something: a signal, or that nobody writes to its
    /// standard input any more.
    pub(crate) struct End(Signals);

    impl End {
        /// From now on signals are kept for [`wait`](Self::wait).
        pub(crate) fn expect() -> io::Result<Self> {
            Signals::new([SIGINT, SIGTERM, SIGHUP]).map(Self)
        }

        pub(crate) fn wait(mut self) {
            // Nobody closes a file or `/dev/null`, which a shell gives to jobs in the background,
            // and a job in the background must not read from the terminal.
            if is_pipe() {
                let handle = self.0.handle();
                thread::spawn(move || {
                    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
                    handle.close();
                });
            }
            self.0.forever().next();
        }
    }

    fn is_pipe() -> bool {
        let kind = io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .and_then(|fd| File::from(fd).metadata())
            .map(|metadata| metadata.file_type());
        kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
    }

    /// Runs a command to its end. Of what a terminal sends to both, only the child shall die; what
    /// is sent to us alone goes on to the child.
    pub(crate) fn run(command: &mut Command) -> io::Result<ExitStatus> {
        let mut signals = Signals::new([SIGINT, SIGQUIT, SIGTERM, SIGHUP])?;
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let handle = signals.handle();
        let forwarder = thread::spawn(move || {
            for signal in signals.forever() {
                let _ = match signal {
                    SIGTERM => kill_process(pid, Signal::TERM),
                    SIGHUP => kill_process(pid, Signal::HUP),
                    _ => Ok(()),
                };
            }
        });
        // Nobody else can get the child's number as long as it is not waited for in earnest.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while waitid(WaitId::Pid(pid), options).is_err_and(|error| error == Errno::INTR) {}
        handle.close();
        let _ = forwarder.join();
        child.wait()
    }
}

#[cfg(not(unix))]
mod other {
    use std::io;
    use std::process::{Command, ExitStatus};

    /// The end of a program that only holds something: of its standard input.
    pub(crate) struct End;

    impl End {
        pub(crate) fn expect() -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) fn wait(self) {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        }
    }

    pub(crate) fn run(command: &mut Command) -> io::Result<ExitStatus> {
        command.status()
    }
}
