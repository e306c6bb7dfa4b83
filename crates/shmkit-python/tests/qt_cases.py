"""What all implementations of Qt's classes are asked.

A line is an expression or a statement: ``qt_peer.py`` says which names it may use. ``NAME`` is a name that
nobody else uses, ``KEY`` the key of a segment of that name and ``SEMAPHORE`` that of a semaphore.
"""

from __future__ import annotations


def expressions(case: str, *, name: str, key: str = "") -> list[str]:
    """The lines of a case."""
    semaphore = key.replace("M.", "S.", 1)
    replaced = case.replace("NAME", repr(name)).replace("KEY", key).replace("SEMAPHORE", semaphore)
    return [line.strip() for line in replaced.strip().splitlines()]


ATTACHED = """
    m = M(M.platformSafeKey(NAME, T.PosixRealtime))
    m.create(16)
    v = m.data()
    v[0:16] = bytes(range(16))
"""

CASES = {
    "enumerations": """
        list(T)
        list(M.AccessMode)
        list(M.SharedMemoryError)
        list(S.AccessMode)
        list(S.SystemSemaphoreError)
        T.__qualname__, M.AccessMode.__qualname__, S.SystemSemaphoreError.__qualname__
        T.SystemV.name, T.SystemV.value, str(T.SystemV), repr(T.SystemV)
        T(84)
        repr(T(84)), T(84).name
        T(84) is T(84), T(84) == T(84), hash(T(84)) == hash(T(84))
        isinstance(T(84), T)
        T(81) is T.SystemV
        T(0)
        T(-1)
        T["SystemV"]
        T["Nothing"]
        T.SystemV == 81
        T.SystemV in T
        M.AccessMode(True)
        M.SharedMemoryError(99)
        K.DefaultTypeForOs
        K.legacyDefaultTypeForOs()
        M.NoError
        M.ReadOnly
        S.Open
        T("x")
        pickle.loads(pickle.dumps(T.SystemV)) is T.SystemV
    """,
    "keys": """
        K()
        K().isEmpty(), K().isValid(), K().type()
        K(None)
        K("/x")
        K("/x", T.SystemV)
        K("/x", type=T.SystemV)
        K(T.SystemV)
        K(K("/x", T.Windows))
        K(K.fromString("posix:/x?legacyKey=y"))
        K("é😀").nativeKey()
        K("x\\0y").nativeKey(), K("\\ufeffx").nativeKey(), K("x\\ufeff").nativeKey()
        K(T(70000)).type()
        K(T(-1)).type()
        K("/x", T(258))
        K("/x", T(0)).isValid()
        k = K("/x")
        k == K("/x"), k != K("/x"), k == K("/y"), k != K("/y")
        k == "/x", k != "/x", k == None, k == 5
        k == K("/x", T.SystemV)
        K.fromString("posix:/x?legacyKey=y") == K.fromString("posix:/x")
        hash(k) == hash(K("/x"))
        {k: 1}[K("/x")]
        k < k
        bool(K()), bool(k)
        len(k)
        k.setNativeKey("/y")
        k
        k.setNativeKey(None)
        k
        k.setType(T.SystemV)
        k
        k.setType(T(7))
        k
        l = K("/other", T.Windows)
        k.swap(l)
        k, l
        k.swap(k)
        k
        K.fromString("POSIX:/a%20b")
        K.fromString("systemv-84:/x").type()
        K.fromString("nothing").type()
        K.fromString("nothing").isValid(), K.fromString(None).isEmpty()
        k.fromString("posix:/z")
        j = K.fromString("systemv:/k?legacyKey=cam0")
        j.setType(T.PosixRealtime)
        j
        j.setNativeKey("/k")
        j
        k.anything = 5
        k.anything
        k.nothing
        K("a\\ud800").nativeKey()
        copy.copy(k)
        copy.deepcopy(k)
        pickle.loads(pickle.dumps(k)) == k
    """,
    "arguments of keys": """
        K(5)
        K(1.5)
        K(b"x")
        K("a", 81)
        K("a", "b")
        K("a", None)
        K(None, None)
        K("a", T.SystemV, 3)
        K(k="a", type=T.SystemV)
        K(type=T.SystemV)
        K(other=K())
        K(foo=1)
        K("a", foo=1)
        k = K("x")
        K.fromString()
        K.fromString(5)
        K.fromString("a", "b")
        K.fromString(string="posix:/x")
        k.setType()
        k.setType(81)
        k.setType("x")
        k.setNativeKey()
        k.setNativeKey(5)
        k.swap()
        k.swap("y")
        k.toString(5)
        k.type(5)
        K.toString(5)
        K.toString()
    """,
    "static functions": """
        M.isKeyTypeSupported(T.SystemV), M.isKeyTypeSupported(T.PosixRealtime)
        M.isKeyTypeSupported(T.Windows), M.isKeyTypeSupported(T(0)), M.isKeyTypeSupported(T(300))
        M.isKeyTypeSupported(T(84))
        S.isKeyTypeSupported(T.SystemV), S.isKeyTypeSupported(T.Windows)
        M.platformSafeKey("cam0"), S.platformSafeKey("cam0")
        M.platformSafeKey("cam0", T.SystemV).type()
        M.platformSafeKey("cam0", T.Windows), M.platformSafeKey("cam0", T(0))
        M.platformSafeKey(None), M.platformSafeKey("")
        M.platformSafeKey("x", type=T.PosixRealtime)
        M.legacyNativeKey("cam0", T.PosixRealtime), S.legacyNativeKey("cam0", T.PosixRealtime)
        M.legacyNativeKey("cam0").type()
        M.legacyNativeKey(None), M.legacyNativeKey("", T.PosixRealtime)
        M.legacyNativeKey("cam0", type=T.PosixRealtime)
        M.legacyNativeKey("cam0", T.Windows)
        M.isKeyTypeSupported()
        M.isKeyTypeSupported(81)
        M.isKeyTypeSupported(type=T.SystemV)
        M.legacyNativeKey()
        M.legacyNativeKey(5)
        M.legacyNativeKey("n", 81)
        M.legacyNativeKey(key="n", type=T.PosixRealtime)
        M.platformSafeKey("n", foo=1)
        M.platformSafeKey("n", T.SystemV, 5)
        S.legacyNativeKey(5)
        S.platformSafeKey("n", 5)
        S.isKeyTypeSupported(5)
    """,
    "objects without a segment": """
        m = M()
        m.nativeIpcKey(), m.nativeKey(), m.key()
        m.isAttached(), m.size(), m.data(), m.constData(), m.error(), m.errorString()
        m.lock(), m.unlock(), m.detach()
        m.error(), m.errorString()
        m.attach()
        m.error(), m.errorString()
        m.create(10)
        m.error(), m.errorString()
        m.attach(mode=M.AccessMode.ReadOnly)
        m.errorString()
        m.setKey("cam0")
        m.key(), m.nativeIpcKey()
        m.errorString()
        m.setKey(None)
        m.key(), m.nativeIpcKey()
        m.setNativeKey("/x")
        m.nativeIpcKey(), m.key()
        m.setNativeKey("/x", T.PosixRealtime)
        m.nativeIpcKey()
        m.setNativeKey("/y", type=T(84))
        m.nativeIpcKey()
        m.setNativeKey("/z", T.Windows)
        m.nativeIpcKey(), m.error(), m.errorString()
        m.setNativeKey(K("/q"))
        m.nativeIpcKey()
        m.setNativeKey(None)
        m.nativeIpcKey()
        m = M(K("x", T.Windows))
        m.nativeIpcKey(), m.error(), m.errorString()
        m.create(10), m.errorString()
        m.attach(), m.errorString()
        M("cam0").nativeIpcKey()
        M(None).nativeIpcKey(), M(None, None).nativeIpcKey(), M("cam0", None).key()
        M("cam0", parent=None).key(), M(parent=None).key(), M(K("/x"), None).nativeKey()
        M("x\\0y").key()
        m == m, m == M(), hash(m) == hash(m)
        m.parent(), m.objectName()
        m.setObjectName("name")
        m.objectName()
        type("Sub", (M,), {})("abc").key()
        type("Sub", (M,), {"__init__": lambda self: M.__init__(self, "q")})().key()
        type("Sub", (M,), {"__init__": lambda self, a, b: super(type(self), self).__init__(a)})("w", 2).key()
        type("Sub", (M,), {"__init__": lambda self: None})().key()
        M(NAME, objectName="name").objectName()
        copy.copy(m)
        pickle.dumps(m)
    """,
    "arguments of segments": """
        m = M()
        M(5)
        M(b"x")
        M("a", 5)
        M("a", None, None)
        M("a", parent=5)
        M(parent=5)
        M(key="a")
        M("a", foo=5)
        M("a", None, parent=None)
        m.create()
        m.create("x")
        m.create(5.0)
        m.create(None)
        m.create(5, 1)
        m.create(5, mode=3)
        m.create(5, foo=3)
        m.create(5, M.AccessMode.ReadOnly, 3)
        m.create(5, M.AccessMode.ReadOnly, mode=M.AccessMode.ReadOnly)
        m.create(size=5, mode=M.AccessMode.ReadOnly)
        m.create(mode=M.AccessMode.ReadOnly)
        m.create(1 << 80)
        m.create(True)
        m.create(5, S.AccessMode.Open)
        m.attach(1)
        m.attach("x")
        m.attach(None)
        m.attach(M.AccessMode.ReadOnly, 1)
        m.attach(foo=M.AccessMode.ReadOnly)
        m.attach(M.AccessMode.ReadOnly, mode=M.AccessMode.ReadOnly)
        m.setKey()
        m.setKey(5)
        m.setKey(key="a")
        m.setNativeKey()
        m.setNativeKey(5)
        m.setNativeKey("x", 81)
        m.setNativeKey("x", None)
        m.setNativeKey("x", foo=T.SystemV)
        m.setNativeKey(K("/x"), T.SystemV)
        m.setNativeKey(key=K("/x"))
        m.lock(3)
        m.size(x=1)
        M.create(None, 5)
        M.create()
        M.lock()
        M.isAttached(3)
    """,
    "arguments of semaphores": """
        S()
        S(5)
        S("", "b")
        S("", 1.0)
        S("", 1, 1)
        S("", 1, mode=5)
        S("", mode=5)
        S("", initialValue="x")
        S("", foo=5)
        S("", 1, initialValue=1)
        S("", 1, S.AccessMode.Open, 5)
        S("", 1 << 40)
        S(key="a", initialValue=1)
        s = S("")
        s.release("x")
        s.release(1 << 31)
        s.acquire(1)
        s.setKey(5)
        s.setKey()
        s.setNativeKey(K("x"), 1, S.AccessMode.Create, T.PosixRealtime)
        s.setNativeKey(key="x", type=T.PosixRealtime)
        s.setNativeKey("x", 1, S.AccessMode.Open, 5)
        s.nativeKey()
        S.release(5)
    """,
    "semaphores without a key": """
        s = S("")
        s.error(), s.errorString(), s.key(), s.nativeIpcKey()
        s.release(0), s.release(-1)
        s.acquire()
        s.error(), s.errorString()
        s.release()
        s.errorString()
        s = S(K(""))
        s.acquire()
        s.errorString()
        s = S("", 1, S.AccessMode.Create)
        s.error(), s.errorString()
        s = S(None, True)
        s.errorString()
        s.setNativeKey("x", 1, S.AccessMode.Open, T.Windows)
        s.error(), s.errorString()
        type("Sub", (S,), {"__init__": lambda self: S.__init__(self, "")})().errorString()
    """,
    "pointers": f"""
        {ATTACHED.strip()}
        v
        m.constData()
        v == v, v == m.data(), v == int(v), v != v
        v < v
        hash(v) == hash(v)
        bool(v), int(v) > 0, int(v) == int(m.constData())
        hex(v)
        len(v), v.getsize(), v.getwriteable()
        v[0], v[-1], v[True]
        v[16]
        v[-17]
        v["x"]
        v[None]
        v[1 << 80]
        v[0:3], v[10:5], v[10:500], v[20:30], v[-3:]
        bytes(v[2:5])
        v[::2]
        v[0:4:1]
        v[0] = b"a"
        v[1] = 5
        v[1] = b"ab"
        v[1:3] = b"abc"
        v[1:4] = b"xyz"
        v[4:6] = bytearray(b"45")
        v[6:8] = memoryview(b"67")
        v[8:10] = "89"
        v[8:10] = [1, 2]
        v[8:12] = A.array("b", [1, 2, 3, 4])
        v[8:12] = A.array("i", [1])
        v[0:4] = v[4:8]
        v[14:20] = b"xy"
        v[14:20] = b"xyzabc"
        v[16] = b"a"
        v["x"] = b"a"
        v[::2] = b"abcdefgh"
        v[0:2] = memoryview(b"abcd")[::2]
        m.constData()[0] = b"a"
        m.constData()[0:2] = b"ab"
        v.asstring(), v.asstring(4), v.asstring(size=4), v.asstring(-1), v.asstring(-2), v.asstring(0)
        v.asstring("x")
        v.asstring(1, 2)
        v.asstring(17)[:3]
        bytes(v), bytes(v[0:4]), bytearray(v)[3]
        list(v)[:2], b"a" in v
        memoryview(v), memoryview(m.constData()), memoryview(v[0:4])
        memoryview(v).format, memoryview(v).itemsize, memoryview(v).ndim, memoryview(v).shape
        type(v.ascapsule()).__name__
        v.setsize(4)
        v, v.asstring(), len(v)
        v.setsize(-1)
        v
        v[0]
        v[0] = b"a"
        len(v)
        memoryview(v)
        bytes(v)
        v.asstring()
        v.asstring(3)
        v.asarray()
        v.setsize(-5)
        v
        v.setsize("x")
        v.setsize(1.5)
        v.setsize(1 << 70)
        v.setsize(True)
        v
        v.setsize()
        v.setsize(17)
        v.setsize(16)
        v.setwriteable(False)
        v, memoryview(v)
        v[0] = b"q"
        v.setwriteable("yes")
        v[0] = b"q"
        v.setwriteable()
        v.anything
        v.anything = 1
        copy.copy(v)
        pickle.dumps(v)
        import struct
        struct.pack_into("<i", v, 0, 5), struct.unpack_from("<i", v, 0)
        c = m.constData()
        c.setwriteable(True)
        c[0] = b"c"
        v[0]
        type(v)()
        type(v)(b"abc")
        type(v)(int(v), 16)
        type("Sub", (type(v),), {{}})
        del v[0]
    """,
    "arrays": f"""
        {ATTACHED.strip()}
        a = v.asarray()
        a, v.asarray(4), v.asarray(size=4), v.asarray(0), v.asarray(-1), m.constData().asarray()
        v.asarray("x")
        v.asarray(1, 2)
        v.asarray(17)
        len(a), list(a), a[0], a[-1], bytes(a)
        a[16]
        a[-17]
        a["x"]
        a[1.5]
        a[1 << 80]
        a[0:3], a[5:2]
        a[::2]
        a == a, a == v.asarray(), hash(a) == hash(a), bool(a), bool(v.asarray(0))
        a[0] = 65
        a[1] = True
        a[1] = 256
        a[1] = -3
        a[1] = b"a"
        a[1] = "x"
        a[16] = 1
        a["x"] = 1
        a[0:2] = b"ab"
        a[0:2] = [1, 2]
        a[0:2] = v
        a[0:2] = v.asarray()[4:7]
        a[0:2] = v.asarray(2)
        m.constData().asarray()[0] = 1
        memoryview(a), memoryview(a).format
        a.anything
        list(a)[:2]
        del a[0]
    """,
}

KIND_CASES = {
    "a segment's life": """
        m = M(KEY)
        m.nativeIpcKey(), m.key(), m.nativeKey()
        m.lock()
        m.errorString()
        m.attach()
        m.error(), m.errorString()
        m.lock(), m.lock(), m.unlock(), m.unlock()
        m.create(0)
        m.error(), m.errorString()
        m.create(-5), m.errorString()
        m.create(100)
        m.error(), m.errorString(), m.size(), m.isAttached()
        m.attach()
        m.error()
        len(bytes(m.data())), bytes(m.data())[:4]
        n = M(KEY)
        n.attach(M.AccessMode.ReadOnly)
        n.error(), n.errorString(), n.size(), n.constData()
        n.data()
        m.data()[0:5] = b"hello"
        bytes(n.constData()[0:5])
        m.lock(), m.lock()
        m.unlock(), m.unlock()
        n.lock(), n.unlock()
        n.detach()
        n.isAttached(), n.size(), n.data(), n.constData(), n.error()
        n.detach()
        n.attach()
        n.data()[5:7] = b"!!"
        bytes(m.constData()[0:8])
        n.detach(), m.detach()
        m.isAttached(), m.error(), m.errorString()
        m.attach(M.AccessMode.ReadWrite)
    """,
    "a segment that exists": """
        m = M(KEY)
        m.create(100)
        n = M(KEY)
        n.create(10)
        n.error(), n.errorString(), n.isAttached(), n.size()
        n.attach()
        n.error(), n.errorString(), n.size()
        n.detach(), m.detach()
    """,
    "the same key again": """
        m = M(KEY)
        m.create(100)
        m.setNativeKey(KEY)
        m.isAttached()
        m.detach()
    """,
    "an object with the lock and no segment": """
        m = M(KEY)
        m.attach(), m.lock()
        m.create(10), m.errorString()
        m.unlock()
        m.unlock(), m.detach()
    """,
    "sizes": """
        m = M(KEY)
        m.create(1 << 60)
        m.error(), m.errorString(), m.size()
    """,
    "a size of no round number": """
        m = M(KEY)
        m.create(4097)
        n = M(KEY)
        n.attach(), n.size(), m.size()
        n.detach(), m.detach()
    """,
    "a semaphore's life": """
        s = S(SEMAPHORE, 2, S.AccessMode.Create)
        s.error(), s.errorString(), s.key(), s.nativeIpcKey()
        s.acquire(), s.acquire()
        s.release(), s.release(2), s.release(n=1), s.release(0), s.release(-1)
        t = S(SEMAPHORE)
        t.error(), t.acquire(), t.acquire(), t.release(2)
        t.setNativeKey(SEMAPHORE)
        t.error(), t.acquire()
        s.setNativeKey(SEMAPHORE, 1, S.AccessMode.Create)
        s.acquire(), s.error(), s.errorString()
        s.setKey("")
        s.key(), s.nativeIpcKey(), s.errorString()
    """,
    "writing to what is read-only": """
        m = M(KEY)
        m.create(100)
        n = M(KEY)
        n.attach(M.AccessMode.ReadOnly)
        n.data()[0:1] = b"x"
    """,
    "memory of a segment that was detached": """
        m = M(KEY)
        m.create(100)
        v = m.data()
        m.detach()
        v[0:5]
        bytes(v[0:5])
    """,
}

PYSIDE_CASES = {
    "manners of PySide6": """
        M.ReadOnly, M.ReadWrite, M.NoError, M.NotFound, M.UnknownError
        S.Open, S.Create, S.NoError, S.NotFound, S.UnknownError
        list(T), list(M.AccessMode), T(84), T(0)
        copy.copy(K("x"))
        K("x") == K("x"), hash(K("x")) == hash(K("x"))
        K("x") == "x"
        M().data(), M().constData()
        m = M(M.platformSafeKey(NAME, T.PosixRealtime))
        m.create(16)
        m.data(), m.constData()
        m.data()[0], m.data().tobytes() == bytes(16)
        m.data()[0:2] = b"ab"
        bytes(m.constData()[0:3])
        M(key="a").key()
        M("a", objectName="name").objectName()
    """,
}
