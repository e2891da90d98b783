// c10d's TCPStore asks nobody who he is. So all that a run keeps there is sealed with its secret: names are HMACs,
// so that nobody can guess them, and every value, numbers too, begins with an HMAC over its name and itself, so
// that what somebody else wrote is refused. Who can reach the store can still read, delete and repeat old values.
#pragma once
#include "hmac.hpp"

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <charconv>
#include <random>

namespace ct {

class SealedStore : public c10d::Store {
 public:
    using Bytes = std::vector<uint8_t>;
    using Milliseconds = std::chrono::milliseconds;
    using c10d::Store::set;

    SealedStore(c10::intrusive_ptr<c10d::TCPStore> under, std::string secret)
        : c10d::Store(under->getTimeout()), under(std::move(under)), secret(std::move(secret)) {}

    c10::intrusive_ptr<c10d::Store> clone() override {
        auto copy = c10::static_intrusive_pointer_cast<c10d::TCPStore>(under->clone());
        return c10::make_intrusive<SealedStore>(copy, secret);
    }

    void set(const std::string &key, const Bytes &value) override {
        under->set(name(key), seal(key, value));
    }

    Bytes get(const std::string &key) override { return open(key, under->get(name(key))); }

    // TCPStore's own numbers cannot be sealed: one is replaced where it is still what it was. What is new has a
    // number of its own beside it, for two who make the same sum must not both think that it is theirs.
    int64_t add(const std::string &key, int64_t amount) override {
        int64_t before = 0;
        Bytes known;
        while (true) {
            int64_t sum = 0;
            TORCH_CHECK(
                !__builtin_add_overflow(before, amount, &sum), "the number ", key, " is too large");
            const std::string text = std::to_string(sum) + " " + std::to_string(mine()) + " " +
                                     std::to_string(mine());
            const Bytes wanted = seal(key, Bytes(text.begin(), text.end()));
            Bytes found = under->compareSet(name(key), known, wanted);
            if (found == wanted) return sum;
            before = number(key, open(key, found));
            if (amount == 0) return before;
            known = std::move(found);
        }
    }

    bool check(const std::vector<std::string> &keys) override { return under->check(names(keys)); }
    bool deleteKey(const std::string &key) override { return under->deleteKey(name(key)); }
    int64_t getNumKeys() override { return under->getNumKeys(); }
    void wait(const std::vector<std::string> &keys) override { under->wait(names(keys)); }
    void wait(const std::vector<std::string> &keys, const Milliseconds &timeout) override {
        under->wait(names(keys), timeout);
    }
    const Milliseconds &getTimeout() const noexcept override { return under->getTimeout(); }
    void setTimeout(const Milliseconds &timeout) override { under->setTimeout(timeout); }

    // The run's sign, under a name that every run uses: who finds another's is at the wrong store.
    Bytes sign() const { return digest('s', ""); }

    const c10::intrusive_ptr<c10d::TCPStore> under;

 private:
    const std::string secret;
    std::random_device device;
    std::mt19937_64 mine{(uint64_t{device()} << 32) ^ device()};

    Bytes digest(char kind, const std::string &text) const {
        const Digest found = hmac(secret, kind + text);
        return Bytes(found.begin(), found.end());
    }

    std::string name(const std::string &key) const {
        std::string text;
        for (uint8_t byte : digest('n', key)) {
            for (int part : {byte >> 4, byte & 15}) text += "0123456789abcdef"[part];
        }
        return text;
    }

    std::vector<std::string> names(const std::vector<std::string> &keys) const {
        std::vector<std::string> result;
        for (const std::string &key : keys) result.push_back(name(key));
        return result;
    }

    Bytes seal(const std::string &key, const Bytes &value) const {
        const std::string text = std::to_string(key.size()) + " " + key;
        Bytes sealed = digest('v', text + std::string(value.begin(), value.end()));
        sealed.insert(sealed.end(), value.begin(), value.end());
        return sealed;
    }

    Bytes open(const std::string &key, const Bytes &sealed) const {
        constexpr size_t size = sizeof(Digest);
        Bytes value(sealed.begin() + std::min(size, sealed.size()), sealed.end());
        const Bytes wanted = seal(key, value);
        // Every byte is looked at, whatever the first ones are.
        unsigned differences = sealed.size() != wanted.size();
        for (size_t k = 0; k < std::min(size, sealed.size()); k++) differences |= sealed[k] ^ wanted[k];
        TORCH_CHECK(
            differences == 0, "a stranger wrote into the run's store: the value of ", key,
            " is not sealed with the run's secret");
        return value;
    }

    static int64_t number(const std::string &key, const Bytes &value) {
        int64_t result = 0;
        const char *start = reinterpret_cast<const char *>(value.data());
        const auto end = std::from_chars(start, start + value.size(), result);
        TORCH_CHECK(end.ec == std::errc(), "the value of ", key, " in the run's store is no number");
        return result;
    }
};

}  // namespace ct
