// SPDX-License-Identifier: GPL-2.0-only
// stl.cc - containers, exceptions through frames, threads and atomics, virtual calls.
#include <algorithm>
#include <atomic>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct shape {
	virtual ~shape() = default;
	virtual double area() const = 0;
};
struct square : shape {
	double side;
	explicit square(double s) : side(s) {}
	double area() const override { return side * side; }
};
struct circle : shape {
	double radius;
	explicit circle(double r) : radius(r) {}
	double area() const override { return 3.14159265358979 * radius * radius; }
};

static int unwound;
struct guard {
	~guard() { unwound++; }
};

static int deep(int n)
{
	guard g;
	if (!n)
		throw std::runtime_error("from below");
	return deep(n - 1) + 1;
}

int main()
{
	std::map<std::string, std::vector<int>> words;
	std::vector<std::unique_ptr<shape>> shapes;
	std::atomic<long> sum{0};
	std::vector<std::thread> threads;
	double area = 0;

	for (int i = 0; i < 3000; i++)
		words["w" + std::to_string(i * 7919 % 101)].push_back(i);
	for (auto &[word, list] : words)
		if (list.size() % 2)
			area += list.back();
	std::cout << words.size() << " words, " << area << "\n";
	for (int i = 1; i < 50; i++)
		shapes.push_back(i % 2 ? std::unique_ptr<shape>(new square(i)) : std::unique_ptr<shape>(new circle(i)));
	area = 0;
	for (auto &s : shapes)
		area += s->area();
	std::cout.precision(15);
	std::cout << "area " << area << "\n";
	for (int i = 0; i < 200; i++)
		try {
			deep(i % 50);
		} catch (const std::exception &e) {
			if (i == 199)
				std::cout << "caught " << e.what() << ", " << unwound << " unwound\n";
		}
	try {
		std::vector<int>().at(3);
	} catch (const std::out_of_range &e) {
		std::cout << e.what() << "\n";
	}
	for (int t = 0; t < 4; t++)
		threads.emplace_back([&, t] { for (int i = 0; i < 5000; i++) sum += i * t; });
	for (auto &t : threads)
		t.join();
	std::cout << "sum " << sum << "\n";
	return 0;
}
