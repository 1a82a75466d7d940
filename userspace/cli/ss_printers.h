#pragma once

#include <memory>
#include <vector>

#include "cli/ss.h"
#include "core/fields.h"
#include "core/ss/columns.h"

namespace socktrace::cli {

// What `socktrace ss` prints, with the names of fields looked up.
struct Plan {
  ss::Options options;
  std::vector<const Field*> columns;
  std::vector<ss::SortedRows::Key> sort;
  const Field* group = nullptr;
  bool owners = false;
  bool fields = false;        // rows are printed by fields: Row's names are looked up
  bool cgroup_paths = false;  // of them, those of cgroups

  // Fields make the dump ask for what they need.
  void need(const Field& field) {
    if (field.needs == FieldNeeds::owners || field.needs == FieldNeeds::described_owners) owners = true;
    if (field.needs == FieldNeeds::information) options.show.information = true;
    if (field.needs == FieldNeeds::memory) options.show.memory = true;
    if (field.needs == FieldNeeds::tos) options.show.tos = true;
    if (field.needs == FieldNeeds::files) options.show.extended = true;
    if (field.needs == FieldNeeds::storages) options.show.bpf_maps = true;
    if (field.needs == FieldNeeds::cgroups) cgroup_paths = true;
  }
};

// ErrorKind::usage when no field has a name that was given.
Result<Plan> plan_for(const ss::Options& options);

// One way of printing rows. False from either: nobody reads any more.
class Printer {
 public:
  virtual ~Printer() = default;
  virtual bool add(const diag::Row& row) = 0;
  // Writes what is kept back. Rows may follow, of another alignment.
  virtual bool finish() = 0;
};

// Both arguments have to outlive it.
std::unique_ptr<Printer> printer_for(const Plan& plan, const SsEdges& edges);

}  // namespace socktrace::cli
