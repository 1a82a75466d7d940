// Processes in a log: read as text first, so that one that was just seen costs no allocation.
#include "core/log/decode_socket.h"

namespace socktrace {

// {"path":…} and the like: objects of which one field matters.
bool SocketReader::nested(std::string_view key, JsonValue& value, std::string_view inner,
                          std::string_view& out) {
  return fields_.each_field(key, value, [&](std::string_view name, JsonValue& field) {
    return name != inner || fields_.word(name, field, out);
  });
}

bool SocketReader::process_field(std::string_view key, JsonValue& value, ProcessText& text) {
  if (key == "pid") return fields_.number(key, value, text.pid);
  if (key == "tid") return fields_.number(key, value, text.tid);
  if (key == "start_ns") return fields_.digits(key, value, text.start_ns);
  if (key == "name") return fields_.word(key, value, text.name);
  if (key == "unit") return fields_.word(key, value, text.unit);
  if (key == "executable") return nested(key, value, "path", text.executable);
  if (key == "linux") return nested(key, value, "cgroup", text.cgroup);
  if (key == "container") return nested(key, value, "id", text.container);
  if (key == "user")
    return fields_.each_field(key, value, [&](std::string_view name, JsonValue& field) {
      if (name == "id") return fields_.number(name, field, text.uid);
      if (name == "name") return fields_.word(name, field, text.user);
      return true;
    });
  return true;
}

bool SocketReader::process(JsonValue& value, ProcessRef& process, uint32_t& tid) {
  JsonObject object;
  if (value.get_object().get(object)) return fields_.refuse("process", "is not an object");
  Thread thread;
  const bool read = fields_.remembered("process", object, known_threads_, thread, [&](JsonObject& fields) {
    ProcessText text;
    const bool whole = fields_.each_field(
        fields, [&](std::string_view key, JsonValue& field) { return process_field(key, field, text); });
    thread.tid = text.tid;
    return whole && intern(text, thread.process);
  });
  process = std::move(thread.process);
  tid = thread.tid;
  return read;
}

bool SocketReader::intern(ProcessText& text, ProcessRef& process) {
  size_t used = 0;
  for (std::string_view* field :
       {&text.name, &text.executable, &text.user, &text.cgroup, &text.unit, &text.container}) {
    if (!fields_.escapes()) break;
    if (field->find('\\') == std::string_view::npos) continue;
    std::optional<std::string> raw = unescape(*field);
    if (!raw) return fields_.refuse("process", "has a backslash that is not part of \\xNN");
    unescaped_[used] = std::move(*raw);
    *field = unescaped_[used++];
  }
  ProcessRef& recent = recent_[text.pid % kRecent];
  const bool same =
      recent && recent->pid == text.pid && recent->start_ns == text.start_ns && recent->uid == text.uid &&
      recent->name == text.name && recent->executable == text.executable && recent->user == text.user &&
      recent->cgroup == text.cgroup && recent->unit == text.unit && recent->container == text.container;
  process = same ? recent
                 : std::make_shared<const Process>(
                       Process{text.pid, text.start_ns, text.uid, std::string(text.name),
                               std::string(text.executable), std::string(text.user), std::string(text.cgroup),
                               std::string(text.unit), std::string(text.container)});
  if (!is_named_only(*process)) recent = process;
  return true;
}

}  // namespace socktrace
