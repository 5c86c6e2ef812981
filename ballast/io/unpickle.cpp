#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>
#include <optional>
#include <string_view>

#include "ballast/io/pickle.h"
#include "ballast/io/pickle_items.h"

namespace ballast::io {
namespace {

using pickled::Container;
using pickled::Item;
using Kind = Item::Kind;

/// The instructions that are understood. (The names are Python's.)
enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kEmptyDict = '}',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kEmptyList = ']',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

/// Names of instructions that are refused, for messages.
const char* refused_name(uint8_t opcode) {
  switch (opcode) {
    case 'i':
      return "INST, which makes an object of a class,";
    case 'o':
      return "OBJ, which makes an object of a class,";
    case 0x81:
      return "NEWOBJ, which makes an object of a class,";
    case 0x92:
      return "NEWOBJ_EX, which makes an object of a class,";
    case 'P':
      return "PERSID";
    case 0x82:
    case 0x83:
    case 0x84:
      return "EXT, which looks up a registered class,";
    case 0x91:
      return "FROZENSET";
    case 0x96:
    case 0x97:
    case 0x98:
      return "a buffer outside of the file";
    default:
      return nullptr;
  }
}

class Unpickler {
 public:
  Unpickler(std::span<const std::byte> bytes, const std::string& file)
      : text_(reinterpret_cast<const char*>(bytes.data()), bytes.size()), made_(file) {}

  Unpickled run() {
    while (true) {
      const uint8_t opcode = static_cast<uint8_t>(take(1)[0]);
      if (opcode == kStop) break;
      const bool known = constant(opcode) || text(opcode) || container(opcode) || memo(opcode) ||
                         name_or_call(opcode);
      if (known) continue;
      if (const char* name = refused_name(opcode))
        bad("the file has the instruction {} which checkpoints have no need of", name);
      bad("unknown instruction {:#04x}", opcode);
    }
    const Item result = pop();
    if (!stack_.empty()) bad("the pickle ends before its parts are put together");
    Unpickled out;
    out.value = made_.object_of(result);
    out.storages = std::move(made_.storages);
    out.tensors = std::move(made_.tensors);
    out.end = at_;
    return out;
  }

 private:
  template <class... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    made_.bad("{} (at byte {})", fmt::format(format, std::forward<Args>(args)...), at_);
  }

  std::string_view take(uint64_t n) {
    if (n > text_.size() - at_) bad("truncated: {} more bytes were expected", n);
    const std::string_view s = text_.substr(at_, n);
    at_ += n;
    return s;
  }
  template <class T>
  T number() {
    T v;
    std::memcpy(&v, take(sizeof(T)).data(), sizeof(T));
    return v;
  }
  std::string_view line() {
    const size_t end = text_.find('\n', at_);
    if (end == text_.npos) bad("truncated: a name has no end");
    const std::string_view s = take(end - at_);
    ++at_;
    return s;
  }

  void push(Item v) {
    made_.charge(1);
    stack_.push_back(v);
  }
  Item& top() {
    if (stack_.size() <= bottom()) bad("an instruction finds nothing to work on");
    return stack_.back();
  }
  Item pop() {
    const Item v = top();
    stack_.pop_back();
    return v;
  }
  size_t bottom() const { return marks_.empty() ? 0 : marks_.back(); }
  /// The values since the last mark, which go with it.
  std::vector<Item> pop_mark() {
    if (marks_.empty()) bad("an instruction finds no mark");
    std::vector<Item> items(stack_.begin() + marks_.back(), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  std::vector<Item> pop_some(int n) {
    std::vector<Item> items(n, Item{});
    for (int i = n - 1; i >= 0; --i) items[i] = pop();
    return items;
  }

  bool constant(uint8_t opcode) {
    switch (opcode) {
      case kNone:
        push({});
        return true;
      case kNewTrue:
      case kNewFalse:
        push(Item::of(opcode == kNewTrue));
        return true;
      case kBinInt:
        push(Item::of(int64_t{number<int32_t>()}));
        return true;
      case kBinInt1:
        push(Item::of(int64_t{number<uint8_t>()}));
        return true;
      case kBinInt2:
        push(Item::of(int64_t{number<uint16_t>()}));
        return true;
      case kLong1:
        push(long_number());
        return true;
      case kBinFloat:
        push(Item::of(std::bit_cast<double>(__builtin_bswap64(number<uint64_t>()))));
        return true;
      default:
        return false;
    }
  }
  Item long_number() {
    const std::string_view digits = take(number<uint8_t>());
    if (digits.size() > 8) bad("a whole number does not fit 64 bits");
    int64_t v = !digits.empty() && digits.back() < 0 ? -1 : 0;
    std::memcpy(&v, digits.data(), digits.size());
    return Item::of(v);
  }

  bool text(uint8_t opcode) {
    switch (opcode) {
      case kBinUnicode:
        push(made_.text(Kind::kString, take(number<uint32_t>())));
        return true;
      case kShortBinUnicode:
        push(made_.text(Kind::kString, take(number<uint8_t>())));
        return true;
      case kBinUnicode8:
        push(made_.text(Kind::kString, take(number<uint64_t>())));
        return true;
      case kBinString:  // Python 2's text
        push(made_.text(Kind::kString, take(number<uint32_t>())));
        return true;
      case kShortBinString:
        push(made_.text(Kind::kString, take(number<uint8_t>())));
        return true;
      case kBinBytes:
        push(made_.text(Kind::kBytes, take(number<uint32_t>())));
        return true;
      case kShortBinBytes:
        push(made_.text(Kind::kBytes, take(number<uint8_t>())));
        return true;
      case kBinBytes8:
        push(made_.text(Kind::kBytes, take(number<uint64_t>())));
        return true;
      default:
        return false;
    }
  }

  bool container(uint8_t opcode) {
    switch (opcode) {
      case kMark:
        if (marks_.size() > kMaxPickledValues) bad("too many marks");
        marks_.push_back(stack_.size());
        return true;
      case kEmptyList:
        push(made_.container(Container::kList));
        return true;
      case kEmptyDict:
        push(made_.container(Container::kDict));
        return true;
      case kEmptySet:
        push(made_.container(Container::kSet));
        return true;
      case kEmptyTuple:
        push(made_.container(Container::kTuple));
        return true;
      case kTuple:
        push(made_.container(Container::kTuple, pop_mark()));
        return true;
      case kTuple1:
      case kTuple2:
      case kTuple3:
        push(made_.container(Container::kTuple, pop_some(opcode - kTuple1 + 1)));
        return true;
      case kAppend:
        add("APPEND", pop_some(1), Container::kList, Container::kList);
        return true;
      case kAppends:
        add("APPENDS", pop_mark(), Container::kList, Container::kList);
        return true;
      case kAddItems:
        add("ADDITEMS", pop_mark(), Container::kSet, Container::kSet);
        return true;
      case kSetItem:
        add("SETITEM", pop_some(2), Container::kDict, Container::kCounter);
        return true;
      case kSetItems:
        add("SETITEMS", pop_mark(), Container::kDict, Container::kCounter);
        return true;
      default:
        return false;
    }
  }
  /// Adds items to the container on top, whose kind must lie between two.
  void add(const char* opcode, const std::vector<Item>& items, Container::Kind first,
           Container::Kind last) {
    const Item target = top();
    Container* c = target.kind == Kind::kContainer ? &made_.containers[target.index] : nullptr;
    if (!c || c->kind < first || c->kind > last) bad("{} is applied to the wrong kind", opcode);
    if (first == Container::kDict && items.size() % 2 != 0) bad("{}: a key has no value", opcode);
    c->items.insert(c->items.end(), items.begin(), items.end());
  }

  bool memo(uint8_t opcode) {
    switch (opcode) {
      case kProto: {
        const int protocol = number<uint8_t>();
        if (protocol < 2 || protocol > 5) bad("pickle protocol {} is not supported", protocol);
        return true;
      }
      case kFrame:
        number<uint64_t>();  // a hint for readers of streams
        return true;
      case kBinPut:
        put(number<uint8_t>());
        return true;
      case kLongBinPut:
        put(number<uint32_t>());
        return true;
      case kMemoize:
        put(memo_.size());
        return true;
      case kBinGet:
        push(recall(number<uint8_t>()));
        return true;
      case kLongBinGet:
        push(recall(number<uint32_t>()));
        return true;
      default:
        return false;
    }
  }
  void put(size_t i) {
    // Writers number what they keep in order: with few holes, memory is bounded by the file's.
    if (i > ++puts_ + (1 << 10)) bad("memo entry {} is out of order", i);
    if (i >= memo_.size()) memo_.resize(i + 1);
    memo_[i] = top();
  }
  Item recall(size_t i) {
    if (i >= memo_.size() || !memo_[i]) bad("memo entry {} is used before it is made", i);
    return *memo_[i];
  }

  bool name_or_call(uint8_t opcode) {
    switch (opcode) {
      case kGlobal: {
        const std::string_view module = line();
        push(made_.global(module, line()));
        return true;
      }
      case kStackGlobal: {
        const std::vector<Item> names = pop_some(2);
        push(made_.global(made_.text_of(names[0], "the name of a module"),
                          made_.text_of(names[1], "a name")));
        return true;
      }
      case kReduce: {
        const Item arguments = pop();
        push(made_.call(pop(), arguments));
        return true;
      }
      case kBuild: {
        const Item state = pop();
        made_.set_attributes(top(), state);
        return true;
      }
      case kBinPersId:
        push(made_.storage(pop()));
        return true;
      default:
        return false;
    }
  }

  std::string_view text_;
  size_t at_ = 0, puts_ = 0;
  pickled::Items made_;
  std::vector<Item> stack_;
  std::vector<size_t> marks_;
  std::vector<std::optional<Item>> memo_;
};

}  // namespace

Unpickled unpickle(std::span<const std::byte> bytes, const std::string& file) {
  return Unpickler(bytes, file).run();
}

}  // namespace ballast::io
