// tests/system/modules/cxx.cc - a backend in C++17: a lease, and no forwarding.
#include <flanneld/backend.h>

#include <memory>
#include <string>

struct fl_backend {
	std::string greeting;
};

namespace
{

int create(fl_env *env, const fl_json *, fl_backend **ret)
{
	auto be = std::make_unique<fl_backend>();

	be->greeting = std::string("on ") + fl_env_extif(env)->name;
	*ret = be.release();
	return 0;
}

std::uint32_t mtu(fl_backend *, std::uint32_t underlay_mtu)
{
	return underlay_mtu;
}

int up(fl_backend *be, const fl_lease *)
{
	fl_info("cxx", "%s", be->greeting.c_str());
	return 0;
}

int rows(fl_backend *, const fl_lease *, std::uint32_t, fl_rows *into)
{
	return fl_rows_ignore(into, "nothing is forwarded");
}

void destroy(fl_backend *be)
{
	delete be;
}

} // namespace

FL_BACKEND_EXPORT(0, "cxx", "a lease, from C++", nullptr, create, nullptr, mtu, up, nullptr, nullptr, rows,
		  nullptr, nullptr, destroy);
