#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>

#include "core/field_rows.h"
#include "core/ss/upper.h"

namespace socktrace {
namespace {

using diag::Row;

constexpr FieldNeeds kInformation = FieldNeeds::information;
constexpr uint32_t kInfiniteThreshold = 0x7fffffff;  // TCP_INFINITE_SSTHRESH

std::optional<tcp_info> information(const Row& row) {
  if (row.table != diag::Table::tcp) return std::nullopt;
  return row.attributes.padded<tcp_info>(INET_DIAG_INFO);
}

template <auto Member>
FieldValue tcp(const Row& row) {
  const auto info = information(row);
  return info ? FieldValue(uint64_t{(*info).*Member}) : FieldValue();
}

// A value that the kernel sets to all ones where there is none.
template <auto Member>
FieldValue tcp_unless_ones(const Row& row) {
  const auto info = information(row);
  if (!info || static_cast<decltype((*info).*Member)>(~((*info).*Member)) == 0) return {};
  return uint64_t{(*info).*Member};
}

FieldValue options(const Row& row) {
  const auto info = information(row);
  if (!info) return {};
  std::string words;
  const auto word = [&](bool set, std::string_view name) {
    if (!set) return;
    if (!words.empty()) words += ' ';
    words += name;
  };
  word(info->tcpi_options & TCPI_OPT_TIMESTAMPS, "ts");
  word(info->tcpi_options & TCPI_OPT_SACK, "sack");
  word(info->tcpi_options & TCPI_OPT_ECN, "ecn");
  word(info->tcpi_options & TCPI_OPT_ECN_SEEN, "ecnseen");
  word(info->tcpi_options & TCPI_OPT_SYN_DATA, "fastopen");
  return field_text(words);
}

FieldValue congestion(const Row& row) {
  if (!is_inet(row.socket)) return {};
  const auto bytes = row.attributes.bytes(INET_DIAG_CONG);
  const auto* characters = reinterpret_cast<const char*>(bytes.data());
  return bytes.empty() ? FieldValue() : field_text({characters, strnlen(characters, bytes.size())});
}

template <typename T>
std::optional<T> of_congestion(const Row& row, size_t attribute) {
  return is_inet(row.socket) ? row.attributes.value<T>(attribute) : std::nullopt;
}

template <auto Member>
FieldValue bbr(const Row& row) {
  const auto info = of_congestion<tcp_bbr_info>(row, INET_DIAG_BBRINFO);
  return info ? FieldValue(uint64_t{(*info).*Member}) : FieldValue();
}

template <auto Member>
FieldValue dctcp(const Row& row) {
  const auto info = of_congestion<tcp_dctcp_info>(row, INET_DIAG_DCTCPINFO);
  return info ? FieldValue(uint64_t{(*info).*Member}) : FieldValue();
}

// What ss writes after `title`.
template <auto Append>
FieldValue upper(const Row& row, std::string_view title) {
  if (row.table != diag::Table::tcp) return {};
  std::string words;
  Append(words, row.attributes);
  return words.empty() ? FieldValue() : field_text(std::string_view(words).substr(title.size()));
}

constexpr Field kFields[] = {
    {"tcp.options", "tcpopts", "Options", false, kInformation, options, "ts sack ecn ecnseen fastopen"},
    {"tcp.congestion", "congestion", "Congestion", false, kInformation, congestion, "congestion control"},
    {"tcp.send_wscale", "sndwscale", "Snd-Wscale", true, kInformation,
     [](const Row& row) {
       const auto info = information(row);
       const bool scaled = info && (info->tcpi_options & TCPI_OPT_WSCALE) != 0;
       return scaled ? FieldValue(uint64_t{info->tcpi_snd_wscale}) : FieldValue();
     },
     "window scale of the peer"},
    {"tcp.receive_wscale", "rcvwscale", "Rcv-Wscale", true, kInformation,
     [](const Row& row) {
       const auto info = information(row);
       const bool scaled = info && (info->tcpi_options & TCPI_OPT_WSCALE) != 0;
       return scaled ? FieldValue(uint64_t{info->tcpi_rcv_wscale}) : FieldValue();
     },
     "own window scale"},
    {"tcp.rto_us", "rto", "Rto", true, kInformation, tcp<&tcp_info::tcpi_rto>,
     "retransmission timeout in microseconds"},
    {"tcp.backoff", "backoff", "Backoff", true, kInformation, tcp<&tcp_info::tcpi_backoff>,
     "how often the timeout was doubled"},
    {"tcp.rtt_us", "rtt", "Rtt", true, kInformation, tcp<&tcp_info::tcpi_rtt>,
     "smoothed round trip time in microseconds"},
    {"tcp.rttvar_us", "rttvar", "Rttvar", true, kInformation, tcp<&tcp_info::tcpi_rttvar>, "its variation"},
    {"tcp.min_rtt_us", "minrtt", "Min-Rtt", true, kInformation, tcp_unless_ones<&tcp_info::tcpi_min_rtt>,
     "the least round trip time"},
    {"tcp.rcv_rtt_us", "rcvrtt", "Rcv-Rtt", true, kInformation, tcp<&tcp_info::tcpi_rcv_rtt>,
     "the receiver's estimate of the round trip time"},
    {"tcp.ato_us", "ato", "Ato", true, kInformation, tcp<&tcp_info::tcpi_ato>,
     "delayed acknowledgement timeout in microseconds"},
    {"tcp.mss", "mss", "Mss", true, kInformation, tcp<&tcp_info::tcpi_snd_mss>, "bytes in a segment sent"},
    {"tcp.pmtu", "pmtu", "Pmtu", true, kInformation, tcp<&tcp_info::tcpi_pmtu>, "path MTU"},
    {"tcp.rcvmss", "rcvmss", "Rcv-Mss", true, kInformation, tcp<&tcp_info::tcpi_rcv_mss>,
     "bytes in a segment received"},
    {"tcp.advmss", "advmss", "Adv-Mss", true, kInformation, tcp<&tcp_info::tcpi_advmss>,
     "the segment size told to the peer"},
    {"tcp.cwnd", "cwnd", "Cwnd", true, kInformation, tcp<&tcp_info::tcpi_snd_cwnd>,
     "congestion window in segments"},
    {"tcp.ssthresh", "ssthresh", "Ssthresh", true, kInformation,
     [](const Row& row) {
       const auto info = information(row);
       return info && info->tcpi_snd_ssthresh < kInfiniteThreshold
                  ? FieldValue(uint64_t{info->tcpi_snd_ssthresh})
                  : FieldValue();
     },
     "slow start threshold in segments"},
    {"tcp.bytes_sent", "sent", "Sent", true, kInformation, tcp<&tcp_info::tcpi_bytes_sent>, "bytes sent"},
    {"tcp.bytes_retrans", "resent", "Resent", true, kInformation, tcp<&tcp_info::tcpi_bytes_retrans>,
     "bytes sent again"},
    {"tcp.bytes_acked", "acked", "Acked", true, kInformation, tcp<&tcp_info::tcpi_bytes_acked>,
     "bytes that the peer has acknowledged"},
    {"tcp.bytes_received", "received", "Received", true, kInformation, tcp<&tcp_info::tcpi_bytes_received>,
     "bytes received"},
    {"tcp.segs_out", "segsout", "Segs-Out", true, kInformation, tcp<&tcp_info::tcpi_segs_out>,
     "segments sent"},
    {"tcp.segs_in", "segsin", "Segs-In", true, kInformation, tcp<&tcp_info::tcpi_segs_in>,
     "segments received"},
    {"tcp.data_segs_out", "datasegsout", "Data-Out", true, kInformation, tcp<&tcp_info::tcpi_data_segs_out>,
     "segments with data sent"},
    {"tcp.data_segs_in", "datasegsin", "Data-In", true, kInformation, tcp<&tcp_info::tcpi_data_segs_in>,
     "segments with data received"},
    {"tcp.last_data_sent_ms", "lastsnd", "Last-Snd", true, kInformation, tcp<&tcp_info::tcpi_last_data_sent>,
     "milliseconds since data was sent"},
    {"tcp.last_data_recv_ms", "lastrcv", "Last-Rcv", true, kInformation, tcp<&tcp_info::tcpi_last_data_recv>,
     "milliseconds since data was received"},
    {"tcp.last_ack_recv_ms", "lastack", "Last-Ack", true, kInformation, tcp<&tcp_info::tcpi_last_ack_recv>,
     "milliseconds since an acknowledgement"},
    {"tcp.send_rate", "sendrate", "Send-Rate", true, kInformation,
     [](const Row& row) {
       const auto info = information(row);
       if (!info || !info->tcpi_rtt || !info->tcpi_snd_mss || !info->tcpi_snd_cwnd) return FieldValue();
       return FieldValue(uint64_t{info->tcpi_snd_cwnd} * info->tcpi_snd_mss * 1'000'000 / info->tcpi_rtt);
     },
     "bytes per second that window and round trip time allow"},
    {"tcp.pacing_rate", "pacing", "Pacing", true, kInformation, tcp_unless_ones<&tcp_info::tcpi_pacing_rate>,
     "bytes per second that are sent at most"},
    {"tcp.max_pacing_rate", "maxpacing", "Max-Pacing", true, kInformation,
     tcp_unless_ones<&tcp_info::tcpi_max_pacing_rate>, "its limit (SO_MAX_PACING_RATE)"},
    {"tcp.delivery_rate", "rate", "Rate", true, kInformation, tcp<&tcp_info::tcpi_delivery_rate>,
     "bytes per second, most recent"},
    {"tcp.delivered", "delivered", "Delivered", true, kInformation, tcp<&tcp_info::tcpi_delivered>,
     "segments that have arrived"},
    {"tcp.delivered_ce", "deliveredce", "Delivered-Ce", true, kInformation, tcp<&tcp_info::tcpi_delivered_ce>,
     "of them with a congestion mark"},
    {"tcp.app_limited", "applimited", "App-Limited", true, kInformation,
     [](const Row& row) {
       const auto info = information(row);
       return info ? FieldValue(uint64_t{info->tcpi_delivery_rate_app_limited}) : FieldValue();
     },
     "1: the rate is bounded by what the program sends"},
    {"tcp.busy_us", "busy", "Busy", true, kInformation, tcp<&tcp_info::tcpi_busy_time>,
     "microseconds with data under way"},
    {"tcp.rwnd_limited_us", "rwndlimited", "Rwnd-Limited", true, kInformation,
     tcp<&tcp_info::tcpi_rwnd_limited>, "of them waiting for the peer's window"},
    {"tcp.sndbuf_limited_us", "sndbuflimited", "Sndbuf-Limited", true, kInformation,
     tcp<&tcp_info::tcpi_sndbuf_limited>, "of them waiting for the send buffer"},
    {"tcp.unacked", "unacked", "Unacked", true, kInformation, tcp<&tcp_info::tcpi_unacked>,
     "segments under way; of a listener, connections waiting"},
    {"tcp.retrans", "retransnow", "Retrans-Now", true, kInformation, tcp<&tcp_info::tcpi_retrans>,
     "segments sent again that are under way"},
    {"tcp.retransmits", "retransmits", "Retransmits", true, kInformation, tcp<&tcp_info::tcpi_total_retrans>,
     "segments sent again"},
    {"tcp.lost", "lost", "Lost", true, kInformation, tcp<&tcp_info::tcpi_lost>, "segments thought lost"},
    {"tcp.sacked", "sacked", "Sacked", true, kInformation,
     [](const Row& row) {
       return row.socket.state == State::listen ? FieldValue() : tcp<&tcp_info::tcpi_sacked>(row);
     },
     "segments acknowledged out of order"},
    {"tcp.dsack_dups", "dsackdups", "Dsack-Dups", true, kInformation, tcp<&tcp_info::tcpi_dsack_dups>,
     "segments that arrived twice"},
    {"tcp.fackets", "fackets", "Fackets", true, kInformation, tcp<&tcp_info::tcpi_fackets>,
     "segments forward acknowledged (before 4.15)"},
    {"tcp.reordering", "reordering", "Reordering", true, kInformation, tcp<&tcp_info::tcpi_reordering>,
     "how far segments are thought to overtake each other"},
    {"tcp.reord_seen", "reordseen", "Reord-Seen", true, kInformation, tcp<&tcp_info::tcpi_reord_seen>,
     "how often they did"},
    {"tcp.rcv_space", "rcvspace", "Rcv-Space", true, kInformation, tcp<&tcp_info::tcpi_rcv_space>,
     "bytes that the receive buffer is made for"},
    {"tcp.rcv_ssthresh", "rcvssthresh", "Rcv-Ssthresh", true, kInformation, tcp<&tcp_info::tcpi_rcv_ssthresh>,
     "bytes of window offered at most now"},
    {"tcp.notsent", "notsent", "Not-Sent", true, kInformation, tcp<&tcp_info::tcpi_notsent_bytes>,
     "bytes that wait to be sent"},
    {"tcp.rcv_ooopack", "rcvooo", "Rcv-Ooo", true, kInformation, tcp<&tcp_info::tcpi_rcv_ooopack>,
     "segments received out of order"},
    {"tcp.snd_wnd", "sndwnd", "Snd-Wnd", true, kInformation, tcp<&tcp_info::tcpi_snd_wnd>,
     "the peer's window in bytes"},
    {"tcp.bbr.bandwidth", "bbrbw", "Bbr-Bw", true, kInformation,
     [](const Row& row) {
       const auto info = of_congestion<tcp_bbr_info>(row, INET_DIAG_BBRINFO);
       return info ? FieldValue(uint64_t{info->bbr_bw_hi} << 32 | info->bbr_bw_lo) : FieldValue();
     },
     "BBR: bytes per second"},
    {"tcp.bbr.min_rtt_us", "bbrrtt", "Bbr-Rtt", true, kInformation, bbr<&tcp_bbr_info::bbr_min_rtt>,
     "BBR: least round trip time"},
    {"tcp.bbr.pacing_gain", "bbrpacing", "Bbr-Pacing", true, kInformation,
     bbr<&tcp_bbr_info::bbr_pacing_gain>, "BBR: gain in 256ths"},
    {"tcp.bbr.cwnd_gain", "bbrcwnd", "Bbr-Cwnd", true, kInformation, bbr<&tcp_bbr_info::bbr_cwnd_gain>,
     "BBR: gain in 256ths"},
    {"tcp.dctcp.enabled", "dctcp", "Dctcp", true, kInformation, dctcp<&tcp_dctcp_info::dctcp_enabled>,
     "DCTCP: 0 in fallback mode"},
    {"tcp.dctcp.ce_state", "dctcpce", "Dctcp-Ce", true, kInformation, dctcp<&tcp_dctcp_info::dctcp_ce_state>,
     "DCTCP: state of the congestion mark"},
    {"tcp.dctcp.alpha", "dctcpalpha", "Dctcp-Alpha", true, kInformation, dctcp<&tcp_dctcp_info::dctcp_alpha>,
     "DCTCP: alpha in 1024ths"},
    {"tcp.dctcp.ab_ecn", "dctcpecn", "Dctcp-Ecn", true, kInformation, dctcp<&tcp_dctcp_info::dctcp_ab_ecn>,
     "DCTCP: bytes acknowledged with a mark"},
    {"tcp.dctcp.ab_tot", "dctcptot", "Dctcp-Tot", true, kInformation, dctcp<&tcp_dctcp_info::dctcp_ab_tot>,
     "DCTCP: bytes acknowledged"},
    {"tcp.md5keys", "md5keys", "Md5-Keys", false, kInformation,
     [](const Row& row) { return upper<ss::append_md5_keys>(row, " md5keys:"); },
     "TCP MD5 signatures (root)"},
    {"tcp.ulp", "ulp", "Ulp", false, kInformation,
     [](const Row& row) { return upper<ss::append_upper_layer>(row, " tcp-ulp-"); },
     "upper layer protocol: TLS, MPTCP subflow"},
};

}  // namespace

std::span<const Field> tcp_fields() {
  return kFields;
}

}  // namespace socktrace
