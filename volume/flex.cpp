#include "volume/flex.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "api/document.hpp"
#include "api/json_text.hpp"
#include "base/file.hpp"
#include "volume/format_and_mount.hpp"
#include "volume/mount_point.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

constexpr auto kInitLimit = std::chrono::seconds(30);
constexpr auto kCallLimit = std::chrono::minutes(8);

std::string text_at(const api::Node& answer, std::string_view key) {
  const api::Node* found = answer.find(key);
  return found != nullptr && found->is_string() ? found->text : std::string();
}

void read_flag(const api::Node* capabilities, std::string_view key, bool& flag) {
  const api::Node* found = capabilities == nullptr ? nullptr : capabilities->find(key);
  if (found != nullptr && found->kind == api::Node::Kind::boolean) flag = found->boolean;
}

// The object that it answered, whatever its exit status; an error when it failed. A null node: it does not support it.
Result<api::Node> ask(const std::string& program, const std::vector<std::string>& arguments,
                      std::chrono::milliseconds limit, Programs& programs) {
  const std::string& command = arguments.front();
  ProgramRequest request{.argv = {program}, .limit = limit};
  request.argv.insert(request.argv.end(), arguments.begin(), arguments.end());
  const auto done = programs.run(request);
  const std::string what = "flexvolume driver " + program + ", command " + command;
  if (!done.ok()) return done.error().wrap(what);
  auto answer = api::parse_json(done->out);
  if (!answer.ok() || !answer->is_map()) {
    return Error(ErrorKind::unavailable, what + ": it did not answer with a JSON object: " + ending_of(*done));
  }
  const std::string status = text_at(*answer, "status");
  if (status == "Not supported") return api::Node();
  if (status == "Success") return answer;
  return Error(ErrorKind::unavailable,
               command + " command failed, status: " + status + ", reason: " + text_at(*answer, "message"));
}

Result<bool> make_mount_dir(const std::string& path, Mounts& mounts) {
  const auto mounted = is_mount_point(path, mounts);
  if (!mounted.ok()) return mounted.error();
  if (*mounted) return false;
  KEELSON_TRY(base::make_directories(path, 0750));
  return true;
}

// By the driver's command, else unmounted here; the directory goes with it.
Status take_off(const FlexDriver& driver, const char* command, const std::string& path, Programs& programs,
                Mounts& mounts) {
  const auto mounted = is_mount_point(path, mounts);
  if (mounted.ok() && !*mounted && !base::path_exists(path)) return {};
  const auto done = call_flex(driver, {command, path}, programs);
  if (!done.ok()) return done.error();
  if (!done->supported) return clean_up_mount_point(path, mounts);
  return remove_empty_directory(path);
}

}  // namespace

std::string flex_program(const std::string& directory, const std::string& driver) {
  std::string base = directory;
  while (base.size() > 1 && base.back() == '/') base.pop_back();
  const auto slash = driver.find_last_of('/');
  return base + "/" + escape_plugin(driver) + "/" + driver.substr(slash == std::string::npos ? 0 : slash + 1);
}

std::string flex_version(const std::string& directory, const std::string& driver) {
  struct stat info {};
  if (::stat(flex_program(directory, driver).c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  return std::to_string(info.st_ino) + "." + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec);
}

Result<FlexDriver> find_flex_driver(const std::string& directory, const std::string& driver, Programs& programs) {
  for (std::size_t at = 0, end = 0; end != std::string::npos; at = end + 1) {
    end = driver.find('/', at);
    const std::string element = driver.substr(at, end == std::string::npos ? std::string::npos : end - at);
    KEELSON_TRY(check_element("FlexVolume driver", element));
  }
  FlexDriver out;
  out.name = driver;
  out.program = flex_program(directory, driver);
  if (::access(out.program.c_str(), X_OK) != 0) {
    return Error(ErrorKind::not_found, "no FlexVolume driver " + driver + " (" + out.program + ")", errno);
  }
  const auto answer = ask(out.program, {"init"}, kInitLimit, programs);
  if (!answer.ok()) return answer.error();
  const api::Node* can = answer->find("capabilities");
  read_flag(can, "attach", out.attaches);
  read_flag(can, "selinuxRelabel", out.relabels);
  read_flag(can, "fsGroup", out.takes_group);
  read_flag(can, "requiresFSResize", out.grows);
  return out;
}

std::string flex_options(const FlexVolume& volume, const std::map<std::string, std::string>& more) {
  std::map<std::string, std::string> all = volume.options;
  all.insert(more.begin(), more.end());
  all.insert({"kubernetes.io/fsType", volume.fs_type});
  all.insert({"kubernetes.io/readwrite", volume.read_only ? "ro" : "rw"});
  all.insert({"kubernetes.io/pvOrVolumeName", volume.name});
  std::string out = "{";
  for (const auto& [key, value] : all) {
    if (out.size() > 1) out += ',';
    api::append_quoted(out, key);
    out += ':';
    api::append_quoted(out, value);
  }
  return out + "}";
}

Result<FlexAnswer> call_flex(const FlexDriver& driver, const std::vector<std::string>& arguments, Programs& programs) {
  const auto answer = ask(driver.program, arguments, kCallLimit, programs);
  if (!answer.ok()) return answer.error();
  FlexAnswer out;
  out.supported = answer->is_map();
  out.device = text_at(*answer, "device");
  return out;
}

std::string flex_mount_dir(const std::string& root, const std::string& driver, const std::string& name) {
  return plugin_dir(root, "kubernetes.io/flexvolume") + "/" + driver + "/mounts/" + name;
}

Status mount_flex_device(const FlexDriver& driver, const FlexVolume& volume, const std::string& device,
                         const std::string& place, Programs& programs, Mounts& mounts) {
  KEELSON_TRY(check_element("volume name", volume.name));
  const std::string options = flex_options(volume, {});
  const auto waited = call_flex(driver, {"waitforattach", device, options}, programs);
  if (!waited.ok()) return waited.error();
  const std::string found = waited->supported && !waited->device.empty() ? waited->device : device;
  const auto made = make_mount_dir(place, mounts);
  if (!made.ok()) return made.error();
  if (!*made) return {};
  const auto done = call_flex(driver, {"mountdevice", place, found, options}, programs);
  Status mounted = done.ok() ? Status() : Status(done.error());
  if (done.ok() && !done->supported) {
    const std::vector<std::string> mode(1, volume.read_only ? "ro" : "rw");
    const DiskMounted outcome = format_and_mount({found, place, volume.fs_type, mode}, programs, mounts);
    if (outcome.failure) mounted = *outcome.failure;
  }
  if (!mounted.ok()) (void)remove_empty_directory(place);
  return mounted;
}

Status unmount_flex_device(const FlexDriver& driver, const std::string& place, Programs& programs, Mounts& mounts) {
  return take_off(driver, "unmountdevice", place, programs, mounts);
}

Status set_up_flex(const FlexDriver& driver, const FlexVolume& volume, const std::map<std::string, std::string>& more,
                   const std::string& place, const std::string& target, Programs& programs, Mounts& mounts) {
  KEELSON_TRY(check_element("volume name", volume.name));
  const auto made = make_mount_dir(target, mounts);
  if (!made.ok()) return made.error();
  if (!*made) return {};
  const auto done = call_flex(driver, {"mount", target, flex_options(volume, more)}, programs);
  Status mounted = done.ok() ? Status() : Status(done.error());
  if (done.ok() && !done->supported) {
    std::vector<std::string> options;
    if (volume.read_only) options.emplace_back("ro");
    const bool there = driver.attaches && !place.empty();
    mounted = there ? mounts.bind_with(place, target, options)
                    : Status(Error(ErrorKind::unimplemented, "driver " + driver.name + " does not support mount"));
  }
  if (!mounted.ok()) (void)remove_empty_directory(target);
  return mounted;
}

Status tear_down_flex(const FlexDriver& driver, const std::string& target, Programs& programs, Mounts& mounts) {
  return take_off(driver, "unmount", target, programs, mounts);
}

Status grow_flex(const FlexDriver& driver, const FlexVolume& volume, const FlexGrowth& growth, Programs& programs) {
  const auto done = call_flex(driver,
                              {"expandfs", flex_options(volume, {}), growth.device, growth.path,
                               std::to_string(growth.size), std::to_string(growth.from)},
                              programs);
  if (!done.ok()) return done.error();
  if (done->supported) return {};
  const auto grown = grow_file_system(growth.device, growth.path, programs);
  if (!grown.ok()) return grown.error();
  return {};
}

}  // namespace keelson::volume
