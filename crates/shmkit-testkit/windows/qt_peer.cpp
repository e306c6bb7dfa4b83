// One QSharedMemory and one QSystemSemaphore of the real Windows Qt, driven by lines on standard input
// as qt_peer.py is on Linux: the same commands, the same answers, as far as they are here.
//
// There is no Windows Python for it, and no compiler of Qt's kind, so the library's functions are
// called by their exported names, with its objects laid out by hand. Results that are objects come
// through a pointer, which static functions take first and methods second.

#include <windows.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

namespace {

struct Text {
    void *data = nullptr;
    wchar_t *units = nullptr;
    long long size = 0;
};

struct Key {
    void *legacy = nullptr;
    Text native;
    uint16_t type = 0;
    char padding[6] = {};
};
static_assert(sizeof(Key) == 40, "as large as Qt's");

// Large enough for an object of either class.
struct Object {
    alignas(16) char bytes[64] = {};
};

HMODULE library;

template <class Function> Function *function(const char *name)
{
    auto found = reinterpret_cast<Function *>(
        reinterpret_cast<void *>(GetProcAddress(library, name)));
    if (!found) {
        std::fprintf(stderr, "Qt has no %s\n", name);
        std::exit(3);
    }
    return found;
}

std::string utf8(const Text &text)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, text.units, int(text.size), nullptr, 0, nullptr, nullptr);
    std::string bytes(size, '\0');
    WideCharToMultiByte(CP_UTF8, 0, text.units, int(text.size), bytes.data(), size, nullptr, nullptr);
    return bytes;
}

Text text(const std::string &bytes)
{
    int size = MultiByteToWideChar(CP_UTF8, 0, bytes.data(), int(bytes.size()), nullptr, 0);
    std::wstring units(size, L'\0');
    MultiByteToWideChar(CP_UTF8, 0, bytes.data(), int(bytes.size()), units.data(), size);
    Text made;
    function<void *(Text *, const wchar_t *, long long)>("??0QString@@QEAA@PEBVQChar@@_J@Z")(
        &made, units.data(), size);
    return made;
}

Key key_of(const std::string &string)
{
    Key key;
    Text form = text(string);
    function<Key *(Key *, const Text *)>("?fromString@QNativeIpcKey@@SA?AV1@AEBVQString@@@Z")(&key, &form);
    return key;
}

std::string string_of(const Key &key)
{
    Text form;
    function<Text *(const Key *, Text *)>("?toString@QNativeIpcKey@@QEBA?AVQString@@XZ")(&key, &form);
    return utf8(form);
}

const uint16_t WINDOWS = 257;

std::string made_key(const char *rule, const std::string &name)
{
    Key key;
    Text plain = text(name);
    function<Key *(Key *, const Text *, uint16_t)>(rule)(&key, &plain, WINDOWS);
    return string_of(key);
}

// The one object of each class; null if there is none.
Object *memory;
Object *semaphore;

bool ask(Object *object, const char *method)
{
    return function<bool(Object *)>(method)(object);
}

std::string refusal(Object *object, const char *error, const char *error_string)
{
    int number = function<int(Object *)>(error)(object);
    Text words;
    function<Text *(Object *, Text *)>(error_string)(object, &words);
    return "no " + std::to_string(number) + " " + utf8(words);
}

std::string memory_error()
{
    return refusal(memory, "?error@QSharedMemory@@QEBA?AW4SharedMemoryError@1@XZ",
        "?errorString@QSharedMemory@@QEBA?AVQString@@XZ");
}

std::string semaphore_error()
{
    return refusal(semaphore, "?error@QSystemSemaphore@@QEBA?AW4SystemSemaphoreError@1@XZ",
        "?errorString@QSystemSemaphore@@QEBA?AVQString@@XZ");
}

long long size()
{
    return function<long long(Object *)>("?size@QSharedMemory@@QEBA_JXZ")(memory);
}

std::string memory_must(bool done, bool tells_size = false)
{
    if (!done)
        return memory_error();
    return tells_size ? "ok " + std::to_string(size()) : "ok";
}

std::string semaphore_must(bool done)
{
    return done ? "ok" : semaphore_error();
}

void forget_memory()
{
    if (memory)
        function<void(Object *)>("??1QSharedMemory@@UEAA@XZ")(memory);
    delete memory;
    memory = nullptr;
}

void forget_semaphore()
{
    if (semaphore)
        function<void(Object *)>("??1QSystemSemaphore@@QEAA@XZ")(semaphore);
    delete semaphore;
    semaphore = nullptr;
}

// The next word of a line, which loses it.
std::string next(std::string &line)
{
    auto end = line.find(' ');
    std::string word = line.substr(0, end);
    line = end == std::string::npos ? "" : line.substr(end + 1);
    return word;
}

unsigned char *bytes_at(long long offset, long long length)
{
    auto data = function<unsigned char *(Object *)>("?constData@QSharedMemory@@QEBAPEBXXZ")(memory);
    if (offset < 0 || length < 0 || offset + length > size())
        return nullptr;
    return data + offset;
}

const char *const LOCK = "?lock@QSharedMemory@@QEAA_NXZ";
const char *const UNLOCK = "?unlock@QSharedMemory@@QEAA_NXZ";

std::string count(long long rounds)
{
    auto counter = reinterpret_cast<volatile uint64_t *>(bytes_at(0, 8));
    if (!counter)
        return "no -1 it is too small";
    for (; rounds > 0; --rounds) {
        if (!ask(memory, LOCK))
            return memory_error();
        *counter = *counter + 1;
        if (!ask(memory, UNLOCK))
            return memory_error();
    }
    return "ok " + std::to_string(*counter);
}

std::string read(long long offset, long long length)
{
    const unsigned char *from = bytes_at(offset, length);
    if (!from)
        return "no -1 outside";
    std::string answer = "ok ";
    char two[3];
    for (long long i = 0; i < length; ++i) {
        std::snprintf(two, sizeof two, "%02x", from[i]);
        answer += two;
    }
    return answer;
}

std::string write(long long offset, const std::string &hex)
{
    unsigned char *to = bytes_at(offset, hex.size() / 2);
    if (!to)
        return "no -1 outside";
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
        to[i / 2] = static_cast<unsigned char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return "ok";
}

std::string answer(std::string line)
{
    std::string command = next(line);
    if (command == "new") {
        forget_memory();
        Key key = key_of(line);
        memory = new Object;
        function<void *(Object *, const Key *, void *)>(
            "??0QSharedMemory@@QEAA@AEBVQNativeIpcKey@@PEAVQObject@@@Z")(memory, &key, nullptr);
        return "ok";
    }
    if (command == "legacy") {
        forget_memory();
        Text name = text(line);
        memory = new Object;
        function<void *(Object *, const Text *, void *)>(
            "??0QSharedMemory@@QEAA@AEBVQString@@PEAVQObject@@@Z")(memory, &name, nullptr);
        return "ok";
    }
    if (command == "safe-key")
        return "ok " + made_key("?platformSafeKey@QSharedMemory@@SA?AVQNativeIpcKey@@AEBVQString@@W4Type@2@@Z", line);
    if (command == "legacy-key")
        return "ok " + made_key("?legacyNativeKey@QSharedMemory@@SA?AVQNativeIpcKey@@AEBVQString@@W4Type@2@@Z", line);
    if (command == "pid")
        return "ok " + std::to_string(GetCurrentProcessId());
    if (command == "sem-new") {
        forget_semaphore();
        Key key = key_of(next(line));
        std::string value = next(line);
        semaphore = new Object;
        function<void *(Object *, const Key *, int, int)>(
            "??0QSystemSemaphore@@QEAA@AEBVQNativeIpcKey@@HW4AccessMode@0@@Z")(
            semaphore, &key, value.empty() ? 0 : std::stoi(value), line == "create");
        int error = function<int(Object *)>("?error@QSystemSemaphore@@QEBA?AW4SystemSemaphoreError@1@XZ")(semaphore);
        return semaphore_must(error == 0);
    }
    if (semaphore && command == "sem-acquire")
        return semaphore_must(ask(semaphore, "?acquire@QSystemSemaphore@@QEAA_NXZ"));
    if (semaphore && command == "sem-release")
        return semaphore_must(function<bool(Object *, int)>("?release@QSystemSemaphore@@QEAA_NH@Z")(
            semaphore, line.empty() ? 1 : std::stoi(line)));
    if (command == "sem-delete") {
        forget_semaphore();
        return "ok";
    }
    if (command == "delete") {
        forget_memory();
        return "ok";
    }
    if (!memory)
        return "no -1 no such command, or nothing to carry it out with: " + command;
    if (command == "create") {
        long long size = std::stoll(next(line));
        int mode = line != "ro";
        return memory_must(function<bool(Object *, long long, int)>(
            "?create@QSharedMemory@@QEAA_N_JW4AccessMode@1@@Z")(memory, size, mode), true);
    }
    if (command == "attach")
        return memory_must(function<bool(Object *, int)>(
            "?attach@QSharedMemory@@QEAA_NW4AccessMode@1@@Z")(memory, line != "ro"), true);
    if (command == "detach")
        return memory_must(ask(memory, "?detach@QSharedMemory@@QEAA_NXZ"));
    if (command == "lock")
        return memory_must(ask(memory, LOCK));
    if (command == "unlock")
        return memory_must(ask(memory, UNLOCK));
    if (command == "size")
        return "ok " + std::to_string(size());
    if (command == "error")
        return memory_error();
    if (command == "incr")
        return count(std::stoll(line));
    if (command == "read") {
        long long offset = std::stoll(next(line));
        return read(offset, std::stoll(line));
    }
    if (command == "write") {
        long long offset = std::stoll(next(line));
        return write(offset, line);
    }
    return "no -1 no such command: " + command;
}

void say(const std::string &word)
{
    std::printf(">>%s\n", word.c_str());
    std::fflush(stdout);
}

}

int main()
{
    library = LoadLibraryW(L"Qt6Core.dll");
    if (!library) {
        std::fprintf(stderr, "cannot load Qt6Core.dll: error %lu\n", GetLastError());
        return 1;
    }
    say("ready");
    char buffer[1 << 15];
    while (std::fgets(buffer, sizeof buffer, stdin)) {
        std::string line(buffer);
        while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
            line.pop_back();
        say(line == "quit" ? "ok" : answer(line));
        if (line == "quit")
            break;
    }
    forget_memory();
    forget_semaphore();
    return 0;
}
