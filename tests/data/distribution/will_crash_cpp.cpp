// SPDX-License-Identifier: Apache-2.0
// Values of the C++ library as locals of a function that throws what nobody catches.
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace shop
{

struct Truck {
    std::string plate;
    int seats;
};

static int ship(const std::vector<std::string> &boxes, int day)
{
    std::map<std::string, int> stock{ { "apples", 7 + MINOR }, { "pears", 30 } };
    std::unordered_map<int, std::string> names{ { 5, "five" } };
    std::shared_ptr<Truck> truck = std::make_shared<Truck>(Truck{ "AB-12", 3 });
    std::shared_ptr<Truck> second = truck;
    std::unique_ptr<int> license = std::make_unique<int>(64);
    std::optional<int> weight = 1200;
    std::optional<std::string> remark;

    if (boxes.size() > 1) {
        throw std::runtime_error("no driver on day " + std::to_string(day));
    }
    return stock["apples"] + names.size() + second->seats + *license + weight.value_or(0)
        + remark.has_value();
}

} // namespace shop

int main()
{
    std::vector<std::string> boxes{ "small", "medium", std::string(30, 'x') };

    return shop::ship(boxes, 3);
}
