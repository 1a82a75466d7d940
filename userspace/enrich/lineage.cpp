#include "enrich/lineage.h"

#include <algorithm>

#include "enrich/held_for.h"

namespace socktrace::enrich {
namespace {

constexpr size_t kLongestCommand = 4096;
constexpr size_t kMostAncestors = 32;

// NULs end the words; a program that renames itself (nginx: master process …) leaves many at the end.
std::string with_blanks(std::string arguments) {
  arguments.erase(arguments.find_last_not_of('\0') + 1);
  if (arguments.size() > kLongestCommand) arguments.resize(kLongestCommand);
  std::replace(arguments.begin(), arguments.end(), '\0', ' ');
  return arguments;
}

}  // namespace

Lineage lineage_of(const sys::Procfs& procfs, const Process& process) {
  Lineage lineage;
  const Result<sys::ProcessDir> dir = procfs.process(process.pid);
  if (!dir) return lineage;
  const Result<sys::ProcessStat> stat = dir->stat();
  if (!stat || !same_process(process, process.pid, dir->start_ns(*stat))) return lineage;
  if (Result<std::string> arguments = dir->arguments()) lineage.command = with_blanks(std::move(*arguments));
  for (uint32_t pid = stat->parent; pid != 0 && lineage.parents.size() < kMostAncestors;) {
    const Result<sys::ProcessDir> parent = procfs.process(pid);
    const auto parent_stat = parent ? parent->stat() : Result<sys::ProcessStat>(Error{});
    if (!parent_stat) break;
    lineage.parents.push_back({pid, parent_stat->name});
    pid = parent_stat->parent;
  }
  return lineage;
}

void add_lineage(std::vector<Conflict>& conflicts) {
  const Result<sys::Procfs> procfs = sys::Procfs::open();
  if (!procfs) return;
  for (Conflict& conflict : conflicts) {
    const std::vector<Owner>& owners = conflict.holder.owners;
    if (owners.empty() || !owners.front().process) continue;
    Lineage lineage = lineage_of(*procfs, *owners.front().process);
    conflict.command = std::move(lineage.command);
    conflict.parents = std::move(lineage.parents);
    std::string whose = held_for(conflict.holder, *owners.front().process, conflict.command);
    if (!whose.empty()) conflict.held_for = std::move(whose);
  }
}

}  // namespace socktrace::enrich
