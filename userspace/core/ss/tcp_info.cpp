#include "core/ss/tcp_info.h"

#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>

#include <iterator>

#include "core/escape.h"
#include "core/ss/line.h"
#include "core/ss/upper.h"

namespace socktrace::ss {
namespace {

template <typename... Arguments>
void add(std::string& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
}

template <typename Value>
void add_nonzero(std::string& out, std::string_view name, Value value) {
  if (!value) return;
  out += ' ';
  out += name;
  out += ':';
  append_number(out, value);
}

void add_ms(std::string& out, std::string_view name, uint32_t microseconds) {
  if (microseconds) add(out, " {}:{:g}", name, microseconds / 1000.);
}

void add_rate(std::string& out, std::string_view name, double bits_per_second, bool numeric) {
  add(out, " {} ", name);
  append_bandwidth(out, bits_per_second, numeric);
  out += "bps";
}

void append_options(std::string& out, uint8_t options) {
  if (options & TCPI_OPT_TIMESTAMPS) out += " ts";
  if (options & TCPI_OPT_SACK) out += " sack";
  if (options & TCPI_OPT_ECN) out += " ecn";
  if (options & TCPI_OPT_ECN_SEEN) out += " ecnseen";
  if (options & TCPI_OPT_SYN_DATA) out += " fastopen";
}

void append_dctcp(std::string& out, const tcp_dctcp_info& dctcp) {
  if (dctcp.dctcp_enabled)
    add(out, " dctcp:(ce_state:{},alpha:{},ab_ecn:{},ab_tot:{})", dctcp.dctcp_ce_state, dctcp.dctcp_alpha,
        dctcp.dctcp_ab_ecn, dctcp.dctcp_ab_tot);
  else
    out += " dctcp:fallback_mode";
}

void append_bbr(std::string& out, const tcp_bbr_info& bbr, bool numeric) {
  out += " bbr:(bw:";
  append_bandwidth(out, static_cast<double>(uint64_t{bbr.bbr_bw_hi} << 32 | bbr.bbr_bw_lo) * 8, numeric);
  add(out, "bps,mrtt:{:g}", bbr.bbr_min_rtt / 1000.);
  if (bbr.bbr_pacing_gain) add(out, ",pacing_gain:{:g}", bbr.bbr_pacing_gain / 256.);
  if (bbr.bbr_cwnd_gain) add(out, ",cwnd_gain:{:g}", bbr.bbr_cwnd_gain / 256.);
  out += ')';
}

// The rtt that the send rate is computed from, in µs: that of Vegas when it is in use.
double send_rtt_us(const diag::Attributes& attributes, const tcp_info& info) {
  const auto vegas = attributes.value<tcpvegas_info>(INET_DIAG_VEGASINFO);
  if (vegas && vegas->tcpv_enabled && vegas->tcpv_rtt && vegas->tcpv_rtt != 0x7fffffff)
    return vegas->tcpv_rtt;
  return info.tcpi_rtt;
}

void append_limited(std::string& out, std::string_view name, uint64_t limited_us, uint64_t busy_us) {
  if (!limited_us) return;
  add(out, " {}:{}ms({:.1f}%)", name, limited_us / 1000,
      100.0 * static_cast<double>(limited_us) / static_cast<double>(busy_us));
}

void append_rates(std::string& out, const diag::Attributes& attributes, const tcp_info& info, bool numeric) {
  if (const auto dctcp = attributes.value<tcp_dctcp_info>(INET_DIAG_DCTCPINFO)) append_dctcp(out, *dctcp);
  if (const auto bbr = attributes.value<tcp_bbr_info>(INET_DIAG_BBRINFO)) append_bbr(out, *bbr, numeric);
  const double rtt_us = send_rtt_us(attributes, info);
  if (rtt_us > 0 && info.tcpi_snd_mss && info.tcpi_snd_cwnd)
    add_rate(out, "send", static_cast<double>(info.tcpi_snd_cwnd) * info.tcpi_snd_mss * 8e6 / rtt_us,
             numeric);
  add_nonzero(out, "lastsnd", info.tcpi_last_data_sent);
  add_nonzero(out, "lastrcv", info.tcpi_last_data_recv);
  add_nonzero(out, "lastack", info.tcpi_last_ack_recv);
  if (info.tcpi_pacing_rate && info.tcpi_pacing_rate != UINT64_MAX) {
    add_rate(out, "pacing_rate", static_cast<double>(info.tcpi_pacing_rate) * 8, numeric);
    if (info.tcpi_max_pacing_rate && info.tcpi_max_pacing_rate != UINT64_MAX) {
      out += '/';
      append_bandwidth(out, static_cast<double>(info.tcpi_max_pacing_rate) * 8, numeric);
      out += "bps";
    }
  }
  if (info.tcpi_delivery_rate)
    add_rate(out, "delivery_rate", static_cast<double>(info.tcpi_delivery_rate) * 8, numeric);
}

void append_tcp(std::string& out, const diag::Row& row, const tcp_info& info, const Show& show) {
  const diag::Attributes& attributes = row.attributes;
  if (show.timer) append_options(out, info.tcpi_options);
  const auto congestion = attributes.bytes(INET_DIAG_CONG);
  if (!congestion.empty()) {
    const auto* text = reinterpret_cast<const char*>(congestion.data());
    out += ' ';
    append_escaped(out, std::string_view(text, strnlen(text, congestion.size())));
  }
  if (info.tcpi_options & TCPI_OPT_WSCALE)
    add(out, " wscale:{},{}", static_cast<unsigned>(info.tcpi_snd_wscale),
        static_cast<unsigned>(info.tcpi_rcv_wscale));
  if (info.tcpi_rto != 3'000'000) add_ms(out, "rto", info.tcpi_rto);
  add_nonzero(out, "backoff", info.tcpi_backoff);
  if (info.tcpi_rtt) add(out, " rtt:{:g}/{:g}", info.tcpi_rtt / 1000., info.tcpi_rttvar / 1000.);
  add_ms(out, "ato", info.tcpi_ato);
  add_nonzero(out, "mss", info.tcpi_snd_mss);
  add_nonzero(out, "pmtu", info.tcpi_pmtu);
  add_nonzero(out, "rcvmss", info.tcpi_rcv_mss);
  add_nonzero(out, "advmss", info.tcpi_advmss);
  add_nonzero(out, "cwnd", info.tcpi_snd_cwnd);
  if (info.tcpi_snd_ssthresh < 0xffff) add_nonzero(out, "ssthresh", info.tcpi_snd_ssthresh);
  add_nonzero(out, "bytes_sent", info.tcpi_bytes_sent);
  add_nonzero(out, "bytes_retrans", info.tcpi_bytes_retrans);
  add_nonzero(out, "bytes_acked", info.tcpi_bytes_acked);
  add_nonzero(out, "bytes_received", info.tcpi_bytes_received);
  add_nonzero(out, "segs_out", info.tcpi_segs_out);
  add_nonzero(out, "segs_in", info.tcpi_segs_in);
  add_nonzero(out, "data_segs_out", info.tcpi_data_segs_out);
  add_nonzero(out, "data_segs_in", info.tcpi_data_segs_in);
  append_rates(out, attributes, info, show.numeric);
  add_nonzero(out, "delivered", info.tcpi_delivered);
  add_nonzero(out, "delivered_ce", info.tcpi_delivered_ce);
  if (info.tcpi_delivery_rate_app_limited) out += " app_limited";
  if (info.tcpi_busy_time) {
    add(out, " busy:{}ms", info.tcpi_busy_time / 1000);
    append_limited(out, "rwnd_limited", info.tcpi_rwnd_limited, info.tcpi_busy_time);
    append_limited(out, "sndbuf_limited", info.tcpi_sndbuf_limited, info.tcpi_busy_time);
  }
  add_nonzero(out, "unacked", info.tcpi_unacked);
  if (info.tcpi_retrans || info.tcpi_total_retrans)
    add(out, " retrans:{}/{}", info.tcpi_retrans, info.tcpi_total_retrans);
  add_nonzero(out, "lost", info.tcpi_lost);
  // The backlog of a listener is in tcpi_sacked.
  if (row.socket.state != State::listen) add_nonzero(out, "sacked", info.tcpi_sacked);
  add_nonzero(out, "dsack_dups", info.tcpi_dsack_dups);
  add_nonzero(out, "fackets", info.tcpi_fackets);
  if (info.tcpi_reordering != 3) add_nonzero(out, "reordering", info.tcpi_reordering);
  add_nonzero(out, "reord_seen", info.tcpi_reord_seen);
  add_ms(out, "rcv_rtt", info.tcpi_rcv_rtt);
  add_nonzero(out, "rcv_space", info.tcpi_rcv_space);
  add_nonzero(out, "rcv_ssthresh", info.tcpi_rcv_ssthresh);
  add_nonzero(out, "notsent", info.tcpi_notsent_bytes);
  if (info.tcpi_min_rtt != UINT32_MAX) add_ms(out, "minrtt", info.tcpi_min_rtt);
  add_nonzero(out, "rcv_ooopack", info.tcpi_rcv_ooopack);
  add_nonzero(out, "snd_wnd", info.tcpi_snd_wnd);
}

}  // namespace

void append_bandwidth(std::string& out, double bits_per_second, bool numeric) {
  if (numeric)
    add(out, "{:.0f}", bits_per_second);
  else if (bits_per_second >= 1e12)
    add(out, "{:.3g}T", bits_per_second / 1e12);
  else if (bits_per_second >= 1e9)
    add(out, "{:.3g}G", bits_per_second / 1e9);
  else if (bits_per_second >= 1e6)
    add(out, "{:.3g}M", bits_per_second / 1e6);
  else if (bits_per_second >= 1e3)
    add(out, "{:.3g}k", bits_per_second / 1e3);
  else
    add(out, "{:g}", bits_per_second);
}

void append_information(std::string& out, const diag::Row& row, const Show& show) {
  if (row.table == diag::Table::sctp) return append_sctp(out, row.attributes);
  if (row.table == diag::Table::mptcp) return append_mptcp(out, row.attributes);
  if (const auto info = row.attributes.padded<tcp_info>(INET_DIAG_INFO)) append_tcp(out, row, *info, show);
  append_md5_keys(out, row.attributes);
  append_upper_layer(out, row.attributes);
}

}  // namespace socktrace::ss
