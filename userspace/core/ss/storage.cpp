// --bpf-maps: what BPF programs keep with a socket (INET_DIAG_SK_BPF_STORAGES, 5.6).
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include <algorithm>
#include <cstring>

#include "core/ss/rest.h"

namespace socktrace::ss {

void append_storages(std::string& out, const diag::Row& row, const Show& show, const Names& names) {
  std::span<const std::byte> list = row.attributes.bytes(INET_DIAG_SK_BPF_STORAGES);
  while (list.size() >= sizeof(nlattr)) {
    nlattr header;
    std::memcpy(&header, list.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > list.size()) return;
    Result<diag::Attributes> storage = diag::Attributes::parse(list.first(header.nla_len), sizeof header);
    list = list.subspan(std::min<size_t>(NLA_ALIGN(header.nla_len), list.size()));
    if (!storage || (header.nla_type & NLA_TYPE_MASK) != SK_DIAG_BPF_STORAGE) continue;
    const std::optional<uint32_t> map = storage->value<uint32_t>(SK_DIAG_BPF_STORAGE_MAP_ID);
    if (!map) continue;
    const std::vector<uint32_t>& wanted = show.bpf_map_ids;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), *map) == wanted.end()) continue;
    out += show.one_line ? " " : "\n\t";
    out += fmt::format("map_id:{} ", *map);
    out += names.map_value(*map, storage->bytes(SK_DIAG_BPF_STORAGE_MAP_VALUE));
  }
}

}  // namespace socktrace::ss
