#include "core/ss/upper.h"

#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/mptcp.h>
#include <linux/sctp.h>
#include <linux/tcp.h>
#include <linux/tls.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "core/address.h"
#include "core/escape.h"

namespace socktrace::ss {
namespace {

template <typename... Arguments>
void add(std::string& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
}

template <typename Value>
void add_nonzero(std::string& out, std::string_view name, Value value) {
  if (value) add(out, " {}:{}", name, value);
}

// A key may be any bytes; blank and comma separate keys.
void append_key(std::string& out, std::span<const uint8_t> key) {
  for (const uint8_t byte : key) {
    if (byte > 0x20 && byte < 0x7f && byte != ',')
      out += static_cast<char>(byte);
    else
      add(out, "\\{:03o}", byte);
  }
}

void append_tls(std::string& out, const diag::Attributes& tls) {
  if (const auto version = tls.value<uint16_t>(TLS_INFO_VERSION)) {
    if (*version == TLS_1_2_VERSION)
      out += " version: 1.2";
    else if (*version == TLS_1_3_VERSION)
      out += " version: 1.3";
    else
      add(out, " version: unknown({})", *version);
  }
  if (const auto cipher = tls.value<uint16_t>(TLS_INFO_CIPHER)) {
    if (*cipher == TLS_CIPHER_AES_GCM_128)
      out += " cipher: aes-gcm-128";
    else if (*cipher == TLS_CIPHER_AES_GCM_256)
      out += " cipher: aes-gcm-256";
    else
      add(out, " cipher: unknown({})", *cipher);
  }
  static constexpr std::array<std::string_view, 5> kConfigurations = {"", "none", "sw", "hw", "hw-record"};
  const auto configuration = [&](const char* name, size_t type) {
    const auto value = tls.value<uint16_t>(type);
    if (!value) return;
    if (*value > 0 && *value < kConfigurations.size())
      add(out, " {}: {}", name, kConfigurations[*value]);
    else
      add(out, " {}: unknown({})", name, *value);
  };
  configuration("rxconf", TLS_INFO_RXCONF);
  configuration("txconf", TLS_INFO_TXCONF);
  if (tls.has(TLS_INFO_ZC_RO_TX)) out += " zc_ro_tx";
  if (tls.has(TLS_INFO_RX_NO_PAD)) out += " no_pad_rx";
}

void append_subflow(std::string& out, const diag::Attributes& subflow) {
  if (const auto flags = subflow.value<uint32_t>(MPTCP_SUBFLOW_ATTR_FLAGS)) {
    constexpr std::string_view kLetters = "MmJjBbecv";  // by bit, MPTCP_SUBFLOW_FLAG_*
    out += " flags:";
    for (size_t bit = 0; bit < kLetters.size(); ++bit)
      if (*flags >> bit & 1) out += kLetters[bit];
  }
  const auto remote = subflow.value<uint32_t>(MPTCP_SUBFLOW_ATTR_TOKEN_REM);
  const auto local = subflow.value<uint32_t>(MPTCP_SUBFLOW_ATTR_TOKEN_LOC);
  if (remote && local)
    add(out, " token:{:04x}(id:{})/{:04x}(id:{})", *remote,
        subflow.value<uint8_t>(MPTCP_SUBFLOW_ATTR_ID_REM).value_or(0), *local,
        subflow.value<uint8_t>(MPTCP_SUBFLOW_ATTR_ID_LOC).value_or(0));
  if (const auto sequence = subflow.value<uint64_t>(MPTCP_SUBFLOW_ATTR_MAP_SEQ))
    add(out, " seq:{:x}", *sequence);
  if (const auto sequence = subflow.value<uint32_t>(MPTCP_SUBFLOW_ATTR_MAP_SFSEQ))
    add(out, " sfseq:{:x}", *sequence);
  if (const auto offset = subflow.value<uint32_t>(MPTCP_SUBFLOW_ATTR_SSN_OFFSET))
    add(out, " ssnoff:{:x}", *offset);
  if (const auto length = subflow.value<uint16_t>(MPTCP_SUBFLOW_ATTR_MAP_DATALEN))
    add(out, " maplen:{:x}", *length);
}

void append_sctp_addresses(std::string& out, std::string_view name, std::span<const std::byte> list) {
  bool first = true;
  while (list.size() >= sizeof(sockaddr_storage)) {
    sockaddr_storage address;
    std::memcpy(&address, list.data(), sizeof address);
    list = list.subspan(sizeof address);
    AddressBytes bytes{};
    const auto* raw = reinterpret_cast<const char*>(&address);
    if (address.ss_family == AF_INET)
      std::memcpy(bytes.data(), raw + offsetof(sockaddr_in, sin_addr), sizeof(in_addr));
    else if (address.ss_family == AF_INET6)
      std::memcpy(bytes.data(), raw + offsetof(sockaddr_in6, sin6_addr), sizeof(in6_addr));
    else
      continue;
    add(out, "{}{}", first ? fmt::format(" {}:", name) : ",",
        to_string(static_cast<Family>(address.ss_family), bytes));
    first = false;
  }
}

}  // namespace

void append_mptcp(std::string& out, const diag::Attributes& attributes) {
  const auto info = attributes.padded<mptcp_info>(INET_DIAG_INFO);
  if (!info) return;
  add_nonzero(out, "subflows", info->mptcpi_subflows);
  add_nonzero(out, "add_addr_signal", info->mptcpi_add_addr_signal);
  add_nonzero(out, "add_addr_accepted", info->mptcpi_add_addr_accepted);
  add_nonzero(out, "subflows_max", info->mptcpi_subflows_max);
  add_nonzero(out, "add_addr_signal_max", info->mptcpi_add_addr_signal_max);
  add_nonzero(out, "add_addr_accepted_max", info->mptcpi_add_addr_accepted_max);
  if (info->mptcpi_flags & MPTCP_INFO_FLAG_FALLBACK) out += " fallback";
  if (info->mptcpi_flags & MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED) out += " remote_key";
  if (info->mptcpi_token) add(out, " token:{:x}", info->mptcpi_token);
  if (info->mptcpi_write_seq) add(out, " write_seq:{:x}", info->mptcpi_write_seq);
  if (info->mptcpi_snd_una) add(out, " snd_una:{:x}", info->mptcpi_snd_una);
  if (info->mptcpi_rcv_nxt) add(out, " rcv_nxt:{:x}", info->mptcpi_rcv_nxt);
  add_nonzero(out, "local_addr_used", info->mptcpi_local_addr_used);
  add_nonzero(out, "local_addr_max", info->mptcpi_local_addr_max);
  add_nonzero(out, "csum_enabled", info->mptcpi_csum_enabled);
}

std::string_view sctp_state_name(uint8_t state) {
  static constexpr std::array<std::string_view, 8> kStates = {
      "CLOSED",           "COOKIE_WAIT",   "COOKIE_ECHOED",     "ESTAB",
      "SHUTDOWN_PENDING", "SHUTDOWN_SENT", "SHUTDOWN_RECEIVED", "ACK_SENT"};
  return state < kStates.size() ? kStates[state] : std::string_view();
}

void append_sctp(std::string& out, const diag::Attributes& attributes) {
  append_sctp_addresses(out, "locals", attributes.bytes(INET_DIAG_LOCALS));
  append_sctp_addresses(out, "peers", attributes.bytes(INET_DIAG_PEERS));
  const auto info = attributes.padded<sctp_info>(INET_DIAG_INFO);
  if (!info) return;
  if (info->sctpi_tag) add(out, " tag:{:x}", info->sctpi_tag);
  if (const std::string_view state = sctp_state_name(info->sctpi_state); info->sctpi_state && !state.empty())
    add(out, " state:{}", state);
  add_nonzero(out, "rwnd", info->sctpi_rwnd);
  add_nonzero(out, "unackdata", info->sctpi_unackdata);
  add_nonzero(out, "penddata", info->sctpi_penddata);
  add_nonzero(out, "instrms", info->sctpi_instrms);
  add_nonzero(out, "outstrms", info->sctpi_outstrms);
  add_nonzero(out, "inqueue", info->sctpi_inqueue);
  add_nonzero(out, "outqueue", info->sctpi_outqueue);
  add_nonzero(out, "overerr", info->sctpi_overall_error);
  add_nonzero(out, "maxburst", info->sctpi_max_burst);
  add_nonzero(out, "maxseg", info->sctpi_maxseg);
  add_nonzero(out, "prwnd", info->sctpi_peer_rwnd);
  if (info->sctpi_peer_tag) add(out, " ptag:{:x}", info->sctpi_peer_tag);
  add_nonzero(out, "pcapable", info->sctpi_peer_capable);
  add_nonzero(out, "psack", info->sctpi_peer_sack);
}

void append_md5_keys(std::string& out, const diag::Attributes& attributes) {
  std::span<const std::byte> list = attributes.bytes(INET_DIAG_MD5SIG);
  std::string_view separator = " md5keys:";
  while (list.size() >= sizeof(tcp_diag_md5sig)) {
    tcp_diag_md5sig entry;
    std::memcpy(&entry, list.data(), sizeof entry);
    list = list.subspan(sizeof entry);
    AddressBytes address{};
    std::memcpy(address.data(), entry.tcpm_addr, address.size());
    add(out, "{}{}/{}=", separator, to_string(static_cast<Family>(entry.tcpm_family), address),
        entry.tcpm_prefixlen);
    append_key(out,
               std::span(entry.tcpm_key).first(std::min<size_t>(entry.tcpm_keylen, sizeof entry.tcpm_key)));
    separator = ",";
  }
}

void append_upper_layer(std::string& out, const diag::Attributes& attributes) {
  if (!attributes.has(INET_DIAG_ULP_INFO)) return;
  const diag::Attributes information = attributes.nested(INET_DIAG_ULP_INFO);
  const auto name = information.bytes(INET_ULP_INFO_NAME);
  if (!name.empty()) {
    const auto* text = reinterpret_cast<const char*>(name.data());
    out += " tcp-ulp-";
    append_escaped(out, std::string_view(text, strnlen(text, name.size())));
  }
  if (information.has(INET_ULP_INFO_TLS)) append_tls(out, information.nested(INET_ULP_INFO_TLS));
  if (information.has(INET_ULP_INFO_MPTCP)) append_subflow(out, information.nested(INET_ULP_INFO_MPTCP));
}

}  // namespace socktrace::ss
