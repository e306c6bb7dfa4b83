//! `QSharedMemory`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::error::{LastError, SharedMemoryError};
use super::key::{QNativeIpcKey, TypeNumber};
use super::lock::SegmentLock;
use super::text::{self, MemoryReport};
use crate::backend::{Owners, Removal, semaphore_key};
use crate::error::{Error, ErrorKind, Op};
use crate::interrupt;
use crate::key::{KeyType, NativeIpcKey, Role};
use crate::mapping::{Access, Ro, Rw, View};
use crate::segment::{Options, SharedMemory};

/// A segment as Qt's class of that name has it.
///
/// The object has a key, is attached to a segment or not, holds its lock or not, and remembers its
/// last error. What fails says `false` and sets [`error`](Self::error) and
/// [`error_string`](Self::error_string). What succeeds in creating or attaching clears them;
/// `detach`, `lock` and `unlock` leave them as they were.
///
/// It can be shared between threads: `lock` then also keeps them apart (Qt's does not).
///
/// See the [module](super) for what differs from Qt.
///
/// ```
/// use shmkit::Access;
/// use shmkit::qt::{QNativeIpcKey, QSharedMemory};
///
/// # let name = format!("shmkit-doc-memory-{}", std::process::id());
/// # if !QSharedMemory::is_key_type_supported(shmkit::qt::TypeNumber::default_for_os()) { return }
/// let key = QSharedMemory::platform_safe_key(&name, shmkit::qt::TypeNumber::default_for_os());
/// let mut ours = QSharedMemory::with_native_key(&key);
/// assert!(ours.create(100, Access::ReadWrite), "{}", ours.error_string());
///
/// let mut theirs = QSharedMemory::with_native_key(&key);
/// assert!(theirs.attach(Access::ReadOnly));
/// assert!(theirs.data().is_none());
/// assert_eq!(theirs.const_data().unwrap().len(), 100);
/// ```
#[derive(Debug, Default)]
pub struct QSharedMemory {
    key: QNativeIpcKey,
    segment: Option<Arc<SharedMemory>>,
    lock: SegmentLock,
    error: LastError<SharedMemoryError>,
    /// The lock has been used or given a key; then Qt has other words for an empty one.
    lock_was_used: AtomicBool,
}

impl QSharedMemory {
    /// An object without a key, of the default type.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert!(QSharedMemory::new().native_ipc_key().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// An object with the legacy key of a name: the segment that `QSharedMemory("name")` meets in
    /// every version of Qt.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert_eq!(QSharedMemory::with_key("cam0").key(), "cam0");
    /// ```
    pub fn with_key(name: &str) -> Self {
        Self::with_native_key(&Self::legacy_native_key(
            name,
            TypeNumber::legacy_default_for_os(),
        ))
    }

    /// An object with this key. If its type does not work here, only the type is kept, and the
    /// error is set.
    ///
    /// ```
    /// # use shmkit::qt::{QNativeIpcKey, QSharedMemory, SharedMemoryError, TypeNumber};
    /// let key = QNativeIpcKey::with_type("cam0", TypeNumber(999));
    /// let memory = QSharedMemory::with_native_key(&key);
    /// assert_eq!(memory.error(), SharedMemoryError::KeyError);
    /// ```
    pub fn with_native_key(key: &QNativeIpcKey) -> Self {
        let mut memory = Self::new();
        memory.key = QNativeIpcKey::of_type(key.key_type());
        memory.set_native_key(key);
        memory
    }

    /// Whether segments of this type work here.
    ///
    /// ```
    /// # use shmkit::qt::{QSharedMemory, TypeNumber};
    /// assert!(!QSharedMemory::is_key_type_supported(TypeNumber::INVALID));
    /// ```
    #[doc(alias = "isKeyTypeSupported")]
    pub fn is_key_type_supported(key_type: TypeNumber) -> bool {
        key_type.is_supported()
    }

    /// The key that Qt 6.6 and later make of a name; see
    /// [`KeyRules::platform_safe_key`](crate::key::KeyRules::platform_safe_key).
    ///
    /// ```
    /// # use shmkit::qt::{QSharedMemory, TypeNumber};
    /// # if cfg!(target_os = "linux") {
    /// let key = QSharedMemory::platform_safe_key("cam0", TypeNumber::POSIX_REALTIME);
    /// assert_eq!(key.to_string(), "posix:/cam0");
    /// # }
    /// ```
    #[doc(alias = "platformSafeKey")]
    pub fn platform_safe_key(name: &str, key_type: TypeNumber) -> QNativeIpcKey {
        key_type.platform_safe(Role::Segment, name)
    }

    /// The key that every version of Qt makes of a name; see
    /// [`KeyRules::legacy_key`](crate::key::KeyRules::legacy_key).
    ///
    /// ```
    /// # use shmkit::qt::{QSharedMemory, TypeNumber};
    /// # if cfg!(target_os = "linux") {
    /// let key = QSharedMemory::legacy_native_key("cam0", TypeNumber::SYSTEM_V);
    /// assert_eq!(key.legacy_key(), "cam0");
    /// # }
    /// ```
    #[doc(alias = "legacyNativeKey")]
    pub fn legacy_native_key(name: &str, key_type: TypeNumber) -> QNativeIpcKey {
        key_type.legacy(Role::Segment, name)
    }

    /// Sets the legacy key of a name; see [`set_native_key`](Self::set_native_key).
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// let mut memory = QSharedMemory::new();
    /// memory.set_key("cam0");
    /// assert_eq!(memory.key(), "cam0");
    /// ```
    #[doc(alias = "setKey")]
    pub fn set_key(&mut self, name: &str) {
        let key = Self::legacy_native_key(name, TypeNumber::legacy_default_for_os());
        self.set_native_key(&key);
    }

    /// Sets the key, and detaches from the segment of the old one. The same key again changes
    /// nothing. If the type does not work here the old key stays and the error is set; otherwise
    /// a past error stays.
    ///
    /// ```
    /// # use shmkit::qt::{QNativeIpcKey, QSharedMemory};
    /// # if cfg!(target_os = "linux") {
    /// let mut memory = QSharedMemory::with_key("cam0");
    /// memory.set_native_key(&QNativeIpcKey::from_string("posix:/cam0"));
    /// assert_eq!(memory.native_key(), "/cam0");
    /// # }
    /// ```
    #[doc(alias = "setNativeKey")]
    pub fn set_native_key(&mut self, key: &QNativeIpcKey) {
        if *key == self.key {
            return;
        }
        if !key.key_type().is_supported() {
            let text = "QSharedMemory::setNativeKey: unsupported key type";
            self.error
                .set(MemoryReport::new(SharedMemoryError::KeyError, text));
            return;
        }
        self.leave();
        self.key = key.clone();
    }

    /// Sets a native key that somebody else chose, of this type. (Qt's default for the type is
    /// [`TypeNumber::legacy_default_for_os`].) It has no legacy key, so of a legacy segment it
    /// meets the bytes and not the lock: hand over whole keys instead.
    ///
    /// ```
    /// # use shmkit::qt::{QSharedMemory, TypeNumber};
    /// # if cfg!(target_os = "linux") {
    /// let mut memory = QSharedMemory::new();
    /// memory.set_native_key_of_type("/tmp/key", TypeNumber::SYSTEM_V);
    /// assert_eq!(memory.native_ipc_key().to_string(), "systemv:/tmp/key");
    /// # }
    /// ```
    #[doc(alias = "setNativeKey")]
    pub fn set_native_key_of_type(&mut self, native: &str, key_type: TypeNumber) {
        self.set_native_key(&QNativeIpcKey::with_type(native, key_type));
    }

    /// The legacy key: the name that the key was made from; empty for other keys.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert_eq!(QSharedMemory::with_key("cam0").key(), "cam0");
    /// ```
    pub fn key(&self) -> &str {
        self.key.legacy_key()
    }

    /// The native key.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert_eq!(QSharedMemory::new().native_key(), "");
    /// ```
    #[doc(alias = "nativeKey")]
    pub fn native_key(&self) -> &str {
        self.key.native_key()
    }

    /// The whole key.
    ///
    /// ```
    /// # use shmkit::qt::{QNativeIpcKey, QSharedMemory};
    /// assert_eq!(*QSharedMemory::new().native_ipc_key(), QNativeIpcKey::default());
    /// ```
    #[doc(alias = "nativeIpcKey")]
    pub fn native_ipc_key(&self) -> &QNativeIpcKey {
        &self.key
    }

    /// Creates a segment of `size` zero bytes and attaches to it.
    ///
    /// `false` if there is one of that key that somebody uses, or that neither shmkit nor a System V
    /// crash left behind ([`AlreadyExists`](SharedMemoryError::AlreadyExists)); if the size is not
    /// above 0; and for other reasons. An object that is attached stays so then. A lock that
    /// somebody holds is not disturbed.
    ///
    /// ```
    /// # use shmkit::{Access, qt::{QSharedMemory, SharedMemoryError}};
    /// let mut memory = QSharedMemory::new();
    /// assert!(!memory.create(100, Access::ReadWrite));
    /// assert_eq!(memory.error(), SharedMemoryError::KeyError);
    /// ```
    pub fn create(&mut self, size: i64, mode: Access) -> bool {
        *self.lock_was_used.get_mut() = true;
        let key = match self.usable_key(Op::Create) {
            Ok(key) => key,
            Err(report) => return self.fail(report),
        };
        self.error.clear();
        if size <= 0 {
            let text = "QSharedMemory::create: create size is less then 0";
            return self.fail(MemoryReport::new(SharedMemoryError::InvalidSize, text));
        }
        self.make_way();
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        match make(&key, size, mode) {
            Ok(segment) => self.have(segment),
            Err(error) => self.fail(text::memory(&key, Op::Create, &error)),
        }
    }

    /// Attaches to the segment of the key. With [`Access::ReadOnly`] there is no
    /// [`data`](Self::data), and the processor sees to it.
    ///
    /// `false` if there is none ([`NotFound`](SharedMemoryError::NotFound)), if the object is
    /// attached already (without an error), and for other reasons.
    ///
    /// ```
    /// # use shmkit::{Access, qt::QSharedMemory};
    /// # let name = format!("shmkit-doc-attach-{}", std::process::id());
    /// let mut memory = QSharedMemory::with_key(&name);
    /// assert!(!memory.attach(Access::ReadWrite));
    /// ```
    pub fn attach(&mut self, mode: Access) -> bool {
        if self.is_attached() {
            return false;
        }
        if self.key.is_empty()
            && self.key.key_type() == TypeNumber::POSIX_REALTIME
            && self.key.key_type().is_supported()
            && !*self.lock_was_used.get_mut()
        {
            let text = "QSharedMemory::handle: key is empty";
            return self.fail(MemoryReport::new(SharedMemoryError::KeyError, text));
        }
        let key = match self.usable_key(Op::Attach) {
            Ok(key) => key,
            Err(report) => return self.fail(report),
        };
        self.error.clear();
        self.make_way();
        match options(mode).attach(&key) {
            Ok(segment) => self.have(segment),
            Err(error) => self.fail(text::memory(&key, Op::Attach, &error)),
        }
    }

    /// Whether the object is attached to a segment.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert!(!QSharedMemory::new().is_attached());
    /// ```
    #[doc(alias = "isAttached")]
    pub fn is_attached(&self) -> bool {
        self.segment.is_some()
    }

    /// Detaches from the segment. The last one out, in whatever program, removes it. A lock that
    /// the object holds is given back; one that others hold is not waited for.
    ///
    /// `false`, without an error, if the object is not attached.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert!(!QSharedMemory::new().detach());
    /// ```
    pub fn detach(&mut self) -> bool {
        let Some(segment) = self.segment.take() else {
            return false;
        };
        self.lock.close();
        if let Some(segment) = Arc::into_inner(segment) {
            // If the system refuses to remove the segment it is detached all the same.
            _ = segment.detach();
        }
        true
    }

    /// The bytes, to read and write; `None` if the object is not attached, or read-only.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert!(QSharedMemory::new().data().is_none());
    /// ```
    pub fn data(&self) -> Option<View<'_, Rw>> {
        self.segment.as_ref()?.view_mut().ok()
    }

    /// The bytes, to read; `None` if the object is not attached.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert!(QSharedMemory::new().const_data().is_none());
    /// ```
    #[doc(alias = "constData")]
    pub fn const_data(&self) -> Option<View<'_, Ro>> {
        Some(self.segment.as_ref()?.view())
    }

    /// The segment itself, for those whose use of the bytes outlives the object's. Not in Qt. As long
    /// as anybody has it this process is attached, whatever the object says, and the last of them
    /// leaves as [`detach`](Self::detach) would. `None` if the object is not attached.
    ///
    /// ```
    /// # use shmkit::{Access, qt::{QSharedMemory, TypeNumber}};
    /// # let name = format!("shmkit-doc-segment-{}", std::process::id());
    /// # if !QSharedMemory::is_key_type_supported(TypeNumber::legacy_default_for_os()) { return Ok(()) }
    /// let mut memory = QSharedMemory::with_key(&name);
    /// assert!(memory.create(100, Access::ReadWrite));
    /// let segment = memory.segment().unwrap();
    /// assert!(memory.detach() && !memory.is_attached());
    /// segment.view_mut()?.copy_from(0, b"still mapped")?;
    /// # Ok::<(), shmkit::Error>(())
    /// ```
    pub fn segment(&self) -> Option<Arc<SharedMemory>> {
        self.segment.clone()
    }

    /// The size of the segment in bytes; 0 if the object is not attached.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert_eq!(QSharedMemory::new().size(), 0);
    /// ```
    pub fn size(&self) -> usize {
        self.segment.as_deref().map_or(0, SharedMemory::size)
    }

    /// Takes the segment's lock, waiting as long as it takes. It is exclusive between all threads,
    /// objects and processes. A thread that has it with this object gets it again, and one
    /// [`unlock`](Self::unlock) gives it back.
    ///
    /// If the holder died the lock is taken over, where it is sure that it did; see
    /// [`SharedMemory::lock`](crate::SharedMemory::lock). [`owner_died`](Self::owner_died) tells.
    ///
    /// `false` if nothing was created or attached with the key yet, whether that succeeded or not.
    ///
    /// ```
    /// # use shmkit::qt::{QSharedMemory, SharedMemoryError};
    /// let memory = QSharedMemory::new();
    /// assert!(!memory.lock());
    /// assert_eq!(memory.error(), SharedMemoryError::LockError);
    /// ```
    pub fn lock(&self) -> bool {
        self.lock_for(Duration::MAX)
    }

    /// As [`lock`](Self::lock), but waits at most about `limit`, and zero is a way to try. Not in
    /// Qt. If the time was too short the error is [`LockError`](SharedMemoryError::LockError), and
    /// its text names who has the lock. A wait that is [interrupted](crate::interrupt) says `false`
    /// and leaves the error as it was.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert!(!QSharedMemory::new().lock_for(std::time::Duration::ZERO));
    /// ```
    pub fn lock_for(&self, limit: Duration) -> bool {
        let text = match self.lock.lock(limit) {
            Ok(Ok(())) => return true,
            Ok(Err(_)) if interrupt::has_come() => return false,
            Ok(Err(who)) => format!("QSharedMemory::lock: timed out after {limit:?}, {who}"),
            Err(_) => {
                self.lock_was_used.store(true, Ordering::Relaxed);
                "QSharedMemory::lock: unable to lock".to_owned()
            }
        };
        self.fail(MemoryReport::new(SharedMemoryError::LockError, text))
    }

    /// Takes the lock if it is free. Not in Qt. `false`, without an error, if it is not, or if it cannot
    /// be had at all.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert!(!QSharedMemory::new().try_lock());
    /// ```
    pub fn try_lock(&self) -> bool {
        self.lock.try_lock().unwrap_or(false)
    }

    /// Gives the lock back, however often it was taken and whichever thread took it. `false`,
    /// without an error, if the object does not have it.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert!(!QSharedMemory::new().unlock());
    /// ```
    pub fn unlock(&self) -> bool {
        self.lock.unlock()
    }

    /// Whether the one that had the lock before died with it: the data may be half-written. Not in
    /// Qt. Only while the object has the lock.
    ///
    /// Programs that use [`SharedMemory`](crate::SharedMemory) are told until one of all says that
    /// the data are right, here by [`mark_recovered`](Self::mark_recovered).
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert!(!QSharedMemory::new().owner_died());
    /// ```
    pub fn owner_died(&self) -> bool {
        self.lock.owner_died()
    }

    /// Says that the data are right again after an owner's death. Not in Qt. `false` if the
    /// object does not have the lock.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert!(!QSharedMemory::new().mark_recovered());
    /// ```
    pub fn mark_recovered(&self) -> bool {
        self.lock.mark_recovered()
    }

    /// The last error.
    ///
    /// ```
    /// # use shmkit::qt::{QSharedMemory, SharedMemoryError};
    /// assert_eq!(QSharedMemory::new().error(), SharedMemoryError::NoError);
    /// ```
    pub fn error(&self) -> SharedMemoryError {
        self.error.error()
    }

    /// The last error's text, in Qt's words; empty if there is none.
    ///
    /// ```
    /// # use shmkit::qt::QSharedMemory;
    /// assert_eq!(QSharedMemory::new().error_string(), "");
    /// ```
    #[doc(alias = "errorString")]
    pub fn error_string(&self) -> String {
        self.error.text()
    }

    /// The key, if it can be one of a segment and its lock. From then on `lock` works.
    fn usable_key(&mut self, op: Op) -> Result<NativeIpcKey, MemoryReport> {
        let is_supported = self.key.key_type().is_supported();
        let key = self.key.to_key().filter(|_| is_supported);
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            if is_supported && self.key.key_type() == TypeNumber::WINDOWS {
                return Err(text::no_windows_key(op == Op::Create));
            }
            let is_posix = self.key.key_type() == TypeNumber::POSIX_REALTIME;
            let has_type = is_supported || !self.key.is_valid();
            return Err(text::on_lock(text::no_lock_key(has_type, is_posix)));
        };
        if let Some(report) = text::bad_semaphore_key(&semaphore_key(&key)) {
            return Err(text::on_lock(report));
        }
        self.lock.set_up(&key);
        *self.lock_was_used.get_mut() = true;
        Ok(key)
    }

    /// System V segments appear and are joined under their lock: an object that has it, and no
    /// segment, gives it back then, as Qt's does. It would wait for itself.
    fn make_way(&self) {
        let key_type = self.key.key_type().key_type();
        if !self.is_attached() && matches!(key_type, Some(KeyType::SystemV(_))) {
            self.lock.unlock();
        }
    }

    fn have(&mut self, segment: SharedMemory) -> bool {
        // Qt's users who find no semaphore make one, and take it away again when they leave.
        _ = self.lock.open();
        // One that is there already lost its name, or this one could not have been made.
        self.segment = Some(Arc::new(segment));
        true
    }

    fn fail(&self, report: MemoryReport) -> bool {
        self.error.set(report);
        false
    }

    fn leave(&mut self) {
        self.detach();
        self.lock.leave();
    }
}

impl Drop for QSharedMemory {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Qt lets root join anybody's segment, and the last one out removes it whoever made it.
fn options(mode: Access) -> Options {
    let mut options = SharedMemory::options();
    options
        .access(mode)
        .owners(Owners::Anyone)
        .removal(Removal::Always);
    options
}

fn make(key: &NativeIpcKey, size: usize, mode: Access) -> Result<SharedMemory, Error> {
    let made = match options(mode).size(size).create(key) {
        Ok(made) => made,
        // Somebody else's: it exists for those who may join it, and is refused to the others.
        Err(error) if error.kind() == ErrorKind::ForeignOwner => {
            let joined = options(mode).removal(Removal::Never).attach(key);
            let kind = match joined {
                Ok(_) => ErrorKind::AlreadyExists,
                Err(_) => ErrorKind::PermissionDenied,
            };
            return Err(error.with_kind(kind));
        }
        Err(error) => return Err(error),
    };
    match mode {
        Access::ReadWrite => Ok(made),
        // A creator's own mapping is writable.
        Access::ReadOnly => options(mode).attach(key),
    }
}

const _: () = {
    const fn is_shared_between_threads<T: Send + Sync>() {}
    is_shared_between_threads::<QSharedMemory>();
    // The types that the texts tell apart.
    assert!(TypeNumber::POSIX_REALTIME.0 == KeyType::PosixRealtime.number());
};
