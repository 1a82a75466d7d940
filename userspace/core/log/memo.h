#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>

namespace socktrace {

// What pieces of JSON were read as, by their text. Logs repeat processes, owners and options word for word, and
// to compare a text is several times faster than to read it.
template <typename T, size_t kSlots>
class Memo {
 public:
  // Null when this text was not read lately.
  [[nodiscard]] const T* find(std::string_view text) const {
    const Slot& slot = slots_[slot_of(text)];
    return slot.text == text && !text.empty() ? &slot.value : nullptr;
  }
  // Only what was read whole and without complaint.
  void keep(std::string_view text, const T& value) {
    if (text.size() > kLongest) return;
    Slot& slot = slots_[slot_of(text)];
    slot.text = text;
    slot.value = value;
  }

 private:
  static constexpr size_t kLongest = 1024;  // bytes: a hostile log takes no more than kSlots of them
  struct Slot {
    std::string text;
    T value{};
  };
  static size_t slot_of(std::string_view text) { return std::hash<std::string_view>()(text) % kSlots; }

  std::array<Slot, kSlots> slots_;
};

}  // namespace socktrace
