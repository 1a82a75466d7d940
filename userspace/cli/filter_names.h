#pragma once

#include "core/filter/filter.h"

namespace socktrace::cli {

// Names as this host knows them: /etc/services, DNS, interfaces, cgroups, users, network namespaces.
FilterOptions system_filter_options(Family family = Family::unspecified);

}  // namespace socktrace::cli
