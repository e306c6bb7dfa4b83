//! Giving segments to other processes.

use std::fs;
use std::io::{IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketType,
};
use shmkit::os::handover::{
    self, Called, CommandExt, Meeting, Parcel, Peer, Rendezvous, inherited, receive, send,
};
use shmkit::{
    Access, Detached, ErrorKind, Lifetime, Options, Owners, Sealed, Seals, SharedMemory,
    key::NativeIpcKey,
};
use shmkit_testkit::{Scratch, launch, role, role_command, spawn, spawn_with, under, unique_name};

use crate::support::{LONG, SHORT, TestKey};

fn memfd(text: &str) -> SharedMemory {
    SharedMemory::options()
        .memfd_from(text, text.as_bytes())
        .unwrap()
}

fn read_only() -> Options {
    let mut options = SharedMemory::options();
    options.access(Access::ReadOnly);
    options
}

/// How little of memory without a name can be handed over that is attached for writing: where
/// descriptors cannot be opened once more, all of it.
const LEAST: Access = match cfg!(shmkit_force_portable) {
    true => Access::ReadWrite,
    false => Access::ReadOnly,
};

/// What has a name and can be handed over: a key leads to it, or a path where POSIX segments have
/// no descriptors.
fn named(key: &NativeIpcKey, place: &Scratch, size: usize) -> SharedMemory {
    let mut options = SharedMemory::options();
    options.size(size).lifetime(Lifetime::Ephemeral);
    match cfg!(shmkit_force_portable) {
        true => options.create_file(place.join("named")).unwrap(),
        false => options.create(key).unwrap(),
    }
}

/// How many descriptors this process has; for children, which do nothing else meanwhile.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn packet_pair() -> (OwnedFd, OwnedFd) {
    use rustix::net::SocketFlags;
    let flags = SocketFlags::CLOEXEC;
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

#[test]
#[ignore = "child role"]
fn role_receive_three() {
    let Some(me) = role() else { return };
    let stream = UnixStream::connect(me.arg()).unwrap();
    let before = descriptors();
    let parcels = receive(&stream, LONG).unwrap();
    let [first, second, third] = parcels.try_into().unwrap();
    assert_eq!(first.description().called, Called::Name("one".to_owned()));
    assert_eq!(
        (first.description().size, first.description().access),
        (3, Access::ReadWrite)
    );
    let one = first.attach(&SharedMemory::options()).unwrap();
    assert_eq!(one.name(), "memfd:one");
    one.write_at(0, b"ONE").unwrap();

    let called = second.description().called.to_string();
    let two = second.attach(&SharedMemory::options()).unwrap();
    assert_eq!(two.name(), called);
    match cfg!(shmkit_force_portable) {
        true => assert!(two.path().is_some()),
        false => drop(two.lock().unwrap()),
    }
    two.write_at(0, b"TWO").unwrap();

    let error = third.attach(&SharedMemory::options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    drop((one, two));
    assert_eq!(descriptors(), before);
    me.say("received");
}

#[test]
fn several_segments_go_to_another_process_in_one_message() {
    let place = Scratch::new();
    let path = place.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut child = spawn("handover::role_receive_three", path.display());
    let (stream, _) = listener.accept().unwrap();

    let key = TestKey::posix();
    let (one, two) = (memfd("one"), named(&key, &place, 3));
    let parcels = [
        Parcel::new(&one, Access::ReadWrite).unwrap(),
        Parcel::new(&two, Access::ReadWrite).unwrap(),
        Parcel::new(&two, Access::ReadOnly).unwrap(),
    ];
    send(&stream, &parcels).unwrap();
    drop(parcels);
    child.expect("received");
    child.finish();
    assert_eq!(one.view().to_vec(), b"ONE");
    assert_eq!(two.view().to_vec(), b"TWO");
    // What was sent is nobody's any more.
    assert_eq!(two.detach().unwrap(), Detached::Removed);
}

#[test]
fn messages_stay_apart_on_every_type_of_socket() {
    let (here, there) = UnixStream::pair().unwrap();
    let stream: (OwnedFd, OwnedFd) = (here.into(), there.into());
    for (here, there) in [stream, packet_pair()] {
        let sent: Vec<SharedMemory> = (0..253).map(|n| memfd(&format!("m{n}"))).collect();
        let parcels = |segments: &[SharedMemory]| -> Vec<Parcel> {
            let pack = |segment| Parcel::new(segment, LEAST).unwrap();
            segments.iter().map(pack).collect()
        };
        send(&here, &parcels(&sent[..1])).unwrap();
        send(&here, &parcels(&sent)).unwrap();
        send(&here, &parcels(&sent[5..7])).unwrap();
        let counts = [(1, 0), (253, 0), (2, 5)];
        for (count, first) in counts {
            let came = receive(&there, LONG).unwrap();
            assert_eq!(came.len(), count);
            for (n, parcel) in came.into_iter().enumerate() {
                let name = format!("m{}", first + n);
                assert_eq!(parcel.description().called, Called::Name(name.clone()));
                let segment = parcel.attach(&read_only()).unwrap();
                assert_eq!(segment.view().to_vec(), name.as_bytes());
            }
        }
        let error = receive(&there, SHORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(here);
        let error = receive(&there, LONG).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let (here, _there) = UnixStream::pair().unwrap();
    assert_eq!(send(&here, &[]).unwrap_err().kind(), ErrorKind::InvalidSize);
}

#[test]
fn a_receiver_that_does_not_read_stops_nobody_for_ever() {
    let (here, _there) = UnixStream::pair().unwrap();
    let segment = memfd(&"x".repeat(200));
    let parcels: Vec<Parcel> = (0..100)
        .map(|_| Parcel::new(&segment, LEAST).unwrap())
        .collect();
    let error = loop {
        if let Err(error) = handover::send_within(&here, &parcels, SHORT) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
#[ignore = "child role"]
fn role_receive_without_descriptors() {
    let Some(me) = role() else { return };
    let (here, there) = UnixStream::pair().unwrap();
    let segment = memfd("x");
    let parcels: Vec<Parcel> = (0..5)
        .map(|_| Parcel::new(&segment, LEAST).unwrap())
        .collect();
    send(&here, &parcels).unwrap();
    drop(parcels);
    // All but three of those that are allowed are in use.
    let mut used: Vec<fs::File> = std::iter::from_fn(|| fs::File::open("/").ok()).collect();
    used.truncate(used.len() - 3);
    let error = receive(&there, LONG).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfResources, "{error}");
    assert!(error.help().is_some());
    // None of those that came stayed.
    let free: Vec<fs::File> = std::iter::from_fn(|| fs::File::open("/").ok()).collect();
    assert_eq!(free.len(), 3);
    me.say("none leaked");
}

#[test]
fn a_receiver_without_descriptors_says_so_and_leaks_none() {
    let role = role_command("handover::role_receive_without_descriptors", "");
    let mut child = launch(under(["prlimit", "--nofile=40"], role));
    child.expect("none leaked");
    child.finish();
}

/// Sends any bytes with any descriptors.
fn forge(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
    }
    let flags = SendFlags::NOSIGNAL;
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags).unwrap();
}

#[test]
#[ignore = "child role"]
fn role_receive_forged_messages() {
    let Some(me) = role() else { return };
    let segment = memfd("true");
    let parcel = Parcel::new(&segment, LEAST).unwrap();
    let good = handover::encode(&[parcel.description().clone()]);
    let fd = parcel.as_fd();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let long = with(&|bytes| bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes()));
    let forged: Vec<(Vec<u8>, Vec<BorrowedFd<'_>>)> = vec![
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), vec![fd]),
        (vec![0], vec![fd; 100]),
        (good.clone(), vec![]),
        (good.clone(), vec![fd; 2]),
        (good.clone(), vec![fd; 253]),
        (long, vec![fd]),
        (with(&|bytes| bytes[8] = 2), vec![fd]),
        (with(&|bytes| bytes[10] = 0), vec![fd]),
        (with(&|bytes| bytes[10] = 2), vec![fd; 2]),
        (
            with(&|bytes| bytes[10..12].copy_from_slice(&[0xff; 2])),
            vec![fd],
        ),
        (with(&|bytes| bytes[12] -= 1), vec![fd]),
        (with(&|bytes| bytes[16] = 3), vec![fd]),
        (with(&|bytes| bytes[17] = 2), vec![fd]),
        (with(&|bytes| bytes[18] = 0xff), vec![fd]),
        (with(&|bytes| *bytes.last_mut().unwrap() = 0xff), vec![fd]),
        (good[..20].to_vec(), vec![fd]),
        (good[..7].to_vec(), vec![fd]),
    ];
    let before = descriptors();
    for (bytes, fds) in &forged {
        let (here, there) = UnixStream::pair().unwrap();
        let stream: (OwnedFd, OwnedFd) = (here.into(), there.into());
        for (here, there) in [stream, packet_pair()] {
            forge(&here, bytes, fds);
            drop(here);
            let error = receive(&there, LONG).unwrap_err();
            let kinds = [ErrorKind::BadMessage, ErrorKind::NotFound];
            assert!(kinds.contains(&error.kind()), "{error}: {bytes:?}");
        }
        assert_eq!(descriptors(), before, "leaked by {bytes:?}");
    }
    // One that goes on sending parts is not waited for longer than asked.
    let (mut here, there) = UnixStream::pair().unwrap();
    here.write_all(&good[..16]).unwrap();
    let error = receive(&there, SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    me.say("nothing leaked");
}

#[test]
fn forged_messages_are_refused_and_leak_no_descriptor() {
    let mut child = spawn("handover::role_receive_forged_messages", "");
    child.expect("nothing leaked");
    child.finish();
}

#[test]
fn what_a_description_says_is_not_believed() {
    let (here, there) = packet_pair();
    let victim = TestKey::posix();
    let precious = SharedMemory::create(&victim, 100).unwrap();
    let liar = memfd("liar");
    let parcel = Parcel::new(&liar, LEAST).unwrap();
    let mut lie = parcel.description().clone();
    lie.size = u64::MAX;
    lie.access = Access::ReadWrite;
    lie.called = Called::Key(victim.to_string());
    lie.seals = Seals::WRITE | Seals::SHRINK;
    let bytes = handover::encode(&[lie]);
    let come = || {
        forge(&here, &bytes, &[parcel.as_fd()]);
        receive(&there, LONG).unwrap().pop().unwrap()
    };
    assert_eq!(come().description().size, u64::MAX);
    if LEAST == Access::ReadOnly {
        let error = come().attach(&SharedMemory::options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnly);
    }
    let segment = come().attach(&read_only()).unwrap();
    assert_eq!((segment.size(), segment.key()), (4, None));
    assert_eq!(come().sealed().unwrap_err().kind(), ErrorKind::Sealed);
    drop(segment);
    assert_eq!(precious.detach().unwrap(), Detached::Removed);
}

#[test]
#[ignore = "child role"]
fn role_inherit() {
    let Some(me) = role() else { return };
    let before = descriptors();
    let parcel = inherited("SHMKIT_TEST_FRAMES").unwrap();
    assert_eq!(
        parcel.description().called,
        Called::Name("frames".to_owned())
    );
    assert_eq!(parcel.description().access, Access::ReadWrite);
    let segment = parcel.attach(&SharedMemory::options()).unwrap();
    // The inherited one is gone, and so nobody's user. There may be a file for its locks.
    let with_locks = before + usize::from(cfg!(shmkit_force_portable));
    assert_eq!(descriptors(), with_locks);
    segment.write_at(0, b"child").unwrap();
    let error = inherited("SHMKIT_TEST_FRAMES").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    let reader = inherited("SHMKIT_TEST_NAMED").unwrap();
    let has_path = matches!(reader.description().called, Called::Path(_));
    assert_eq!(has_path, cfg!(shmkit_force_portable));
    let error = reader.attach(&SharedMemory::options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    for wrong in [
        "",
        "x",
        "-1",
        "0",
        "1 memfd:x",
        "999 memfd:x",
        "99999999999",
    ] {
        // SAFETY: this process has but one thread that uses the environment.
        #[expect(unsafe_code, reason = "a test of what the environment may hold")]
        unsafe {
            std::env::set_var("SHMKIT_TEST_WRONG", wrong);
        }
        let error = inherited("SHMKIT_TEST_WRONG").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadMessage, "{wrong}");
    }
    let error = inherited("SHMKIT_TEST_NOTHING").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    me.say("inherited");
}

#[test]
fn a_child_inherits_what_its_command_hands_over() {
    let frames = memfd("frames");
    let (key, place) = (TestKey::posix(), Scratch::new());
    let named = named(&key, &place, 10);
    let mut child = spawn_with("handover::role_inherit", "", |command| {
        command
            .hand_over("SHMKIT_TEST_FRAMES", &frames, Access::ReadWrite)
            .unwrap()
            .hand_over("SHMKIT_TEST_NAMED", &named, Access::ReadOnly)
            .unwrap();
    });
    child.expect("inherited");
    child.finish();
    assert_eq!(frames.view().read::<[u8; 5]>(0).unwrap(), *b"child");
    assert_eq!(named.detach().unwrap(), Detached::Removed);
}

#[test]
fn only_the_child_that_it_is_handed_to_inherits_it() {
    let frames = memfd("only-for-one");
    let mut command = Command::new("sh");
    command.args(["-c", "ls -l /proc/self/fd"]);
    command.hand_over("FRAMES", &frames, LEAST).unwrap();
    let other = Command::new("ls")
        .args(["-l", "/proc/self/fd"])
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&other.stdout).contains("only-for-one"));
    // It can be started more than once.
    for _ in 0..2 {
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // The fallback has no name to be seen.
        assert!(
            text.contains("only-for-one") || cfg!(shmkit_force_fallbacks),
            "{text}"
        );
    }
}

#[test]
#[ignore = "child role"]
fn role_show_a_descriptor() {
    let Some(me) = role() else { return };
    let segment = memfd("shown");
    let fd = segment.to_fd(Access::ReadWrite).unwrap();
    me.say(fd.as_raw_fd());
    me.park();
}

#[test]
fn a_descriptor_is_taken_from_a_process_where_that_is_allowed() {
    let mut child = spawn("handover::role_show_a_descriptor", "");
    let number: i32 = child.line().parse().unwrap();
    let pid = child.pid();
    match handover::from_process(pid, number) {
        Ok(fd) => {
            let segment = SharedMemory::options().attach_fd(fd).unwrap();
            assert_eq!(segment.view().to_vec(), b"shown");
        }
        Err(error) if cfg!(shmkit_force_portable) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains(&pid.to_string()), "{error}");
            return;
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            println!("skipped: {error}");
        }
    }
    assert!(handover::from_process(pid, 12345).is_err());
    child.kill();
    let error = handover::from_process(pid, number).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&pid.to_string()), "{error}");
}

#[test]
#[ignore = "child role"]
fn role_publish() {
    let Some(me) = role() else { return };
    let (name, text) = me.arg().split_once(' ').unwrap();
    let sealed = Sealed::new("published", text.as_bytes()).unwrap();
    let _published = handover::publish(name, &sealed).unwrap();
    me.say("published");
    me.park();
}

#[test]
fn two_unrelated_programs_meet_by_name() {
    if cfg!(shmkit_force_fallbacks) {
        println!("skipped: there are no memfds to seal");
        return;
    }
    // Where they meet in a directory, what those who are killed leave there goes with it.
    let place = Scratch::new();
    let mut child = spawn_with("handover::role_meet_by_name", "", |command| {
        command.env("XDG_RUNTIME_DIR", place.path());
    });
    child.expect("met");
    child.finish();
}

#[test]
#[ignore = "child role"]
fn role_meet_by_name() {
    let Some(me) = role() else { return };
    let name = unique_name();
    let error = handover::fetch(&name, SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&name), "{error}");

    let mut server = spawn("handover::role_publish", format!("{name} first"));
    server.expect("published");
    let tables: Vec<Sealed> = (0..20)
        .map(|_| handover::fetch(&name, LONG).unwrap())
        .collect();
    assert!(tables.iter().all(|table| &**table == b"first"));
    let other = Sealed::new("other", &b"x"[..]).unwrap();
    let error = handover::publish(&name, &other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);

    // The name goes with a server that is killed, and the memory stays with those who have it.
    server.kill();
    let fetched = std::thread::scope(|scope| {
        // It may be asked for before somebody gives it.
        let fetched = scope.spawn(|| handover::fetch(&name, LONG).unwrap());
        let mut server = spawn("handover::role_publish", format!("{name} second"));
        server.expect("published");
        fetched.join().unwrap()
    });
    assert_eq!((&*tables[0], &*fetched), (&b"first"[..], &b"second"[..]));
    me.say("met");
}

#[test]
#[ignore = "child role"]
fn role_fetch_as_another_user() {
    let Some(me) = role() else { return };
    // SAFETY: it takes integers.
    #[expect(unsafe_code, reason = "becoming another user")]
    let result = unsafe { libc::setresuid(12345, 12345, 12345) };
    assert_eq!(result, 0);
    let mut rendezvous = Rendezvous::new(me.arg());
    rendezvous.of_user(0);
    let said = match rendezvous.fetch(Duration::from_secs(2)) {
        Ok(parcels) => format!("{} parcels", parcels.len()),
        Err(error) => format!("{:?}", error.kind()),
    };
    me.say(said);
    // Nor is one of this user taken for root's.
    let _squatter = {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("shmkit/0/{}-squatted", me.arg());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
        UnixListener::bind_addr(&address).unwrap()
    };
    me.say("squatting");
    me.park();
}

#[test]
fn other_users_get_nothing_and_give_nothing_unless_accepted() {
    if cfg!(shmkit_force_portable) {
        println!("skipped: they meet in a directory that only one user can use");
        return;
    }
    // SAFETY: it takes nothing.
    #[expect(unsafe_code, reason = "who are we?")]
    if unsafe { libc::geteuid() } != 0 {
        println!("skipped: only root can become somebody else");
        return;
    }
    let name = unique_name();
    let segment = memfd("for root");
    let pack = || vec![Parcel::new(&segment, LEAST).unwrap()];
    let server = Rendezvous::new(&name).serve(pack()).unwrap();
    let mut stranger = spawn("handover::role_fetch_as_another_user", &name);
    // Nobody was given anything, however late it came.
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(server.hand_out(SHORT).unwrap(), None);
            }
        });
        let said = stranger.line();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(said, "NotFound");
    });
    stranger.expect("squatting");
    let error = Rendezvous::new(format!("{name}-squatted"))
        .fetch(LONG)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignOwner);
    assert!(error.to_string().contains("12345"), "{error}");
    drop((server, stranger));

    let server = Rendezvous::new(&name)
        .owners(Owners::User(12345))
        .serve(pack())
        .unwrap();
    let mut friend = spawn("handover::role_fetch_as_another_user", &name);
    let peer: Peer = server.hand_out(LONG).unwrap().unwrap();
    assert_eq!((peer.user, peer.pid), (12345, friend.pid()));
    friend.expect("1 parcels");
}

#[test]
#[ignore = "child role"]
fn role_meet_in_the_runtime_directory() {
    let Some(me) = role() else { return };
    let mut rendezvous = Rendezvous::new("a/b%");
    rendezvous.meeting(Meeting::RuntimeDirectory);
    if me.arg() == "serve" {
        let segment = memfd("met");
        let parcel = Parcel::new(&segment, LEAST).unwrap();
        let server = rendezvous.serve(vec![parcel]).unwrap();
        me.say("serving");
        while server.hand_out(LONG).unwrap().is_some() {}
    } else {
        let mut parcels = rendezvous.fetch(LONG).unwrap();
        let segment = parcels.pop().unwrap().attach(&read_only()).unwrap();
        me.say(String::from_utf8(segment.view().to_vec()).unwrap());
        if cfg!(shmkit_force_portable) {
            // Without the variable there is a directory, too.
            return;
        }
        // SAFETY: this process has but one thread that uses the environment.
        #[expect(unsafe_code, reason = "a test of what the environment may hold")]
        unsafe {
            std::env::remove_var("XDG_RUNTIME_DIR");
        }
        let error = rendezvous.fetch(SHORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        me.say("no directory");
    }
}

#[test]
fn a_socket_in_the_runtime_directory_survives_no_server() {
    let place = Scratch::new();
    let spawn = |arg: &str| {
        spawn_with(
            "handover::role_meet_in_the_runtime_directory",
            arg,
            |command| {
                command.env("XDG_RUNTIME_DIR", place.path());
            },
        )
    };
    let mut server = spawn("serve");
    server.expect("serving");
    let mut client = spawn("fetch");
    client.expect("met");
    if !cfg!(shmkit_force_portable) {
        client.expect("no directory");
    }
    server.kill();
    // What it left is in nobody's way.
    assert!(place.join("shmkit/a%2Fb%25.sock").exists());
    let mut server = spawn("serve");
    server.expect("serving");
    let mut client = spawn("fetch");
    client.expect("met");
    drop(server);
}

#[test]
#[ignore = "child role"]
fn role_meet_by_default() {
    let Some(me) = role() else { return };
    let mut rendezvous = Rendezvous::new(me.arg());
    let parcel = Parcel::new(&memfd("met"), Access::ReadWrite).unwrap();
    let server = rendezvous.serve(vec![parcel]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| server.hand_out(LONG).unwrap().unwrap());
        let parcels = rendezvous.fetch(LONG).unwrap();
        let segment = parcels.into_iter().next().unwrap().attach(&read_only());
        assert_eq!(segment.unwrap().view().to_vec(), b"met");
    });
    me.say("met");
    let parcel = Parcel::new(&memfd("met"), Access::ReadWrite).unwrap();
    let error = rendezvous
        .meeting(Meeting::Abstract)
        .serve(vec![parcel])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.help().unwrap().contains("runtime directory"));
    let error = rendezvous.fetch(SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    me.say("no other names");
    me.park();
}

#[test]
fn without_names_in_the_kernel_programs_meet_in_a_directory_of_the_users_own() {
    if !cfg!(shmkit_force_portable) {
        assert_eq!(Meeting::default(), Meeting::Abstract);
        return;
    }
    assert_eq!(Meeting::default(), Meeting::RuntimeDirectory);
    let name = unique_name();
    // One that is only this user's is used itself, as on macOS; in one that is not, one is made.
    for (mode, whose) in [(0o700, ""), (0o755, "runtime-"), (0o1777, "runtime-")] {
        let place = Scratch::new();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).unwrap();
        let mut child = spawn_with("handover::role_meet_by_default", &name, |command| {
            command
                .env_remove("XDG_RUNTIME_DIR")
                .env("TMPDIR", place.path());
        });
        child.expect("met");
        child.expect("no other names");
        let entries = fs::read_dir(place.path()).unwrap().flatten();
        let mut own = entries.filter(|entry| entry.file_name() != "shmkit");
        let base = match (whose, own.next()) {
            ("", None) => place.path().to_owned(),
            (begin, Some(entry)) if !begin.is_empty() => {
                let name = entry.file_name().into_string().unwrap();
                assert!(name.starts_with(begin), "{name}");
                entry.path()
            }
            (_, other) => panic!("{mode:o}: {other:?}"),
        };
        let status = fs::metadata(base.join("shmkit")).unwrap();
        assert_eq!(status.permissions().mode() & 0o777, 0o700);
        assert!(base.join(format!("shmkit/{name}.sock")).exists());
        drop(child);
    }
}

#[test]
fn users_do_not_meet_in_a_runtime_directory() {
    let mut rendezvous = Rendezvous::new(unique_name());
    rendezvous.meeting(Meeting::RuntimeDirectory).of_user(12345);
    let error = rendezvous.fetch(SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.help().unwrap().contains("a socket that both can"));
}

#[test]
#[ignore = "child role"]
fn role_take_a_name_at_once() {
    let Some(me) = role() else { return };
    let mut rendezvous = Rendezvous::new("contested");
    rendezvous.meeting(Meeting::RuntimeDirectory);
    let mut orders = me.orders();
    while orders.next().is_some() {
        let parcel = Parcel::new(&memfd("met"), LEAST).unwrap();
        let server = match rendezvous.serve(vec![parcel]) {
            Ok(server) => server,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
                me.say("lost");
                continue;
            }
        };
        me.say("won");
        // Whoever has the name is found by it.
        std::thread::scope(|scope| {
            scope.spawn(|| server.hand_out(LONG).unwrap().unwrap());
            assert_eq!(rendezvous.fetch(LONG).unwrap().len(), 1);
        });
        me.say("found");
        orders.next();
    }
}

#[test]
fn of_many_servers_that_find_an_abandoned_socket_one_gets_the_name() {
    const TIMES: usize = 20;
    let place = Scratch::new();
    let mut servers: Vec<_> = (0..4)
        .map(|_| {
            spawn_with("handover::role_take_a_name_at_once", "", |command| {
                command.env("XDG_RUNTIME_DIR", place.path());
            })
        })
        .collect();
    for _ in 0..TIMES {
        let path = place.join("shmkit/contested.sock");
        fs::create_dir_all(place.join("shmkit")).unwrap();
        fs::set_permissions(place.join("shmkit"), fs::Permissions::from_mode(0o700)).unwrap();
        // Nobody listens at it any more.
        drop(UnixListener::bind(&path).unwrap());
        for server in &mut servers {
            server.tell("go");
        }
        let mut winners = Vec::new();
        for server in &mut servers {
            match &*server.line() {
                "won" => winners.push(server),
                said => assert_eq!(said, "lost"),
            }
        }
        assert_eq!(winners.len(), 1);
        winners[0].expect("found");
        winners[0].tell("leave");
        while path.exists() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_message_that_is_too_long_for_a_socket_is_refused() {
    let (here, there) = packet_pair();
    rustix::net::sockopt::set_socket_send_buffer_size(&here, 1).unwrap();
    let segment = memfd(&"x".repeat(200));
    let pack = |count| -> Vec<Parcel> {
        (0..count)
            .map(|_| Parcel::new(&segment, LEAST).unwrap())
            .collect()
    };
    let error = send(&here, &pack(100)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSize, "{error}");
    assert!(error.help().unwrap().contains("a stream"));
    send(&here, &pack(1)).unwrap();
    assert_eq!(receive(&there, LONG).unwrap().len(), 1);
}

#[test]
fn names_that_cannot_be_are_refused() {
    let pack = || {
        let segment = memfd("x");
        vec![Parcel::new(&segment, LEAST).unwrap()]
    };
    for name in ["", "a\0b", &"x".repeat(200)] {
        let error = Rendezvous::new(name).serve(pack()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey, "{name:?}");
        let error = Rendezvous::new(name).fetch(SHORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey, "{name:?}");
    }
}

#[test]
fn a_key_of_another_kind_is_only_a_name() {
    let (here, there) = packet_pair();
    let segment = memfd("x");
    let parcel = Parcel::new(&segment, LEAST).unwrap();
    for key in [
        "systemv:/tmp/x",
        "windows:x",
        "no key at all",
        "posix:/../x",
    ] {
        let mut said = parcel.description().clone();
        said.called = Called::Key(key.to_owned());
        forge(&here, &handover::encode(&[said]), &[parcel.as_fd()]);
        let came = receive(&there, LONG).unwrap().pop().unwrap();
        let attached = came.attach(&read_only()).unwrap();
        assert_eq!(attached.key().map(NativeIpcKey::to_string), None);
    }
}
