#include "agent/stats/json_writer.hpp"
#include "agent/stats/summary.hpp"

namespace keelson::stats {
namespace {

using Number = std::optional<std::uint64_t>;

class SummaryWriter {
 public:
  std::string write(const Summary& summary) {
    out_.begin_object();
    out_.key("node");
    node(summary.node);
    list("pods", summary.pods, [this](const PodStats& one) { pod(one); });
    out_.end_object();
    return out_.take();
  }

 private:
  template <class T, class Write>
  void list(std::string_view key, const std::vector<T>& values, Write write) {
    out_.key(key);
    out_.begin_array();
    for (const T& one : values) write(one);
    out_.end_array();
  }
  // An object with its fields, when there is one.
  template <class T, class Fields>
  void object(std::string_view key, const std::optional<T>& value, Fields fields) {
    if (!value) return;
    out_.key(key);
    out_.begin_object();
    fields(*value);
    out_.end_object();
  }
  void number(std::string_view key, Number value) {
    if (!value) return;
    out_.key(key);
    out_.number(*value);
  }
  void percent(std::string_view key, double value) {
    out_.key(key);
    out_.number(value);
  }
  void text(std::string_view key, std::string_view value) {
    out_.key(key);
    out_.text(value);
  }
  void time(std::string_view key, base::SystemTime value) {
    out_.key(key);
    out_.time(value);
  }

  void psi_data(std::string_view key, const PsiData& data) {
    out_.key(key);
    out_.begin_object();
    number("total", data.total);
    percent("avg10", data.avg10);
    percent("avg60", data.avg60);
    percent("avg300", data.avg300);
    out_.end_object();
  }
  void psi(const std::optional<PsiStats>& value) {
    object("psi", value, [this](const PsiStats& psi) {
      psi_data("full", psi.full);
      psi_data("some", psi.some);
    });
  }

  void cpu(const std::optional<CpuStats>& value) {
    object("cpu", value, [this](const CpuStats& cpu) {
      time("time", cpu.time);
      number("usageNanoCores", cpu.usage_nano_cores);
      number("usageCoreNanoSeconds", cpu.usage_core_nano_seconds);
      psi(cpu.psi);
    });
  }
  void memory(const std::optional<MemoryStats>& value) {
    object("memory", value, [this](const MemoryStats& memory) {
      time("time", memory.time);
      number("availableBytes", memory.available_bytes);
      number("usageBytes", memory.usage_bytes);
      number("workingSetBytes", memory.working_set_bytes);
      number("rssBytes", memory.rss_bytes);
      number("pageFaults", memory.page_faults);
      number("majorPageFaults", memory.major_page_faults);
      psi(memory.psi);
    });
  }
  void io(const std::optional<IoStats>& value) {
    object("io", value, [this](const IoStats& io) {
      time("time", io.time);
      psi(io.psi);
    });
  }
  void swap(const std::optional<SwapStats>& value) {
    object("swap", value, [this](const SwapStats& swap) {
      time("time", swap.time);
      number("swapAvailableBytes", swap.available_bytes);
      number("swapUsageBytes", swap.usage_bytes);
    });
  }
  void interface(const InterfaceStats& value) {
    text("name", value.name);
    number("rxBytes", value.rx_bytes);
    number("rxErrors", value.rx_errors);
    number("txBytes", value.tx_bytes);
    number("txErrors", value.tx_errors);
  }
  void network(const std::optional<NetworkStats>& value) {
    object("network", value, [this](const NetworkStats& network) {
      time("time", network.time);
      interface(network.standard);
      if (network.interfaces.empty()) return;
      list("interfaces", network.interfaces, [this](const InterfaceStats& one) {
        out_.begin_object();
        interface(one);
        out_.end_object();
      });
    });
  }
  void fs_fields(const FsStats& fs) {
    time("time", fs.time);
    number("availableBytes", fs.available_bytes);
    number("capacityBytes", fs.capacity_bytes);
    number("usedBytes", fs.used_bytes);
    number("inodesFree", fs.inodes_free);
    number("inodes", fs.inodes);
    number("inodesUsed", fs.inodes_used);
  }
  void fs(std::string_view key, const std::optional<FsStats>& value) {
    object(key, value, [this](const FsStats& fs) { fs_fields(fs); });
  }

  void volume(const VolumeStats& value) {
    out_.begin_object();
    fs_fields(value.fs);
    text("name", value.name);
    object("pvcRef", value.claim, [this](const volume::ClaimRef& claim) {
      text("name", claim.name);
      text("namespace", claim.ns);
    });
    object("volumeHealthStats", value.abnormal, [this](bool abnormal) {
      out_.key("abnormal");
      out_.boolean(abnormal);
    });
    out_.end_object();
  }

  void system_container(const GroupStats& value) {
    out_.begin_object();
    text("name", value.name);
    time("startTime", value.start_time);
    cpu(value.cpu);
    memory(value.memory);
    io(value.io);
    swap(value.swap);
    out_.end_object();
  }

  void container(const ContainerStats& value) {
    out_.begin_object();
    text("name", value.name);
    time("startTime", value.start_time);
    cpu(value.cpu);
    memory(value.memory);
    io(value.io);
    fs("rootfs", value.rootfs);
    fs("logs", value.logs);
    swap(value.swap);
    out_.end_object();
  }

  void pod(const PodStats& value) {
    out_.begin_object();
    out_.key("podRef");
    out_.begin_object();
    text("name", value.name);
    text("namespace", value.ns);
    text("uid", value.uid);
    out_.end_object();
    time("startTime", value.start_time);
    list("containers", value.containers, [this](const ContainerStats& one) { container(one); });
    cpu(value.cpu);
    memory(value.memory);
    io(value.io);
    network(value.network);
    if (!value.volumes.empty()) {
      list("volume", value.volumes, [this](const VolumeStats& one) { volume(one); });
    }
    fs("ephemeral-storage", value.ephemeral_storage);
    object("process_stats", value.process_count, [this](std::uint64_t count) { number("process_count", count); });
    swap(value.swap);
    out_.end_object();
  }

  void node(const NodeStats& value) {
    out_.begin_object();
    text("nodeName", value.name);
    if (!value.system_containers.empty()) {
      list("systemContainers", value.system_containers, [this](const GroupStats& one) { system_container(one); });
    }
    time("startTime", value.start_time);
    cpu(value.cpu);
    memory(value.memory);
    io(value.io);
    network(value.network);
    fs("fs", value.fs);
    if (value.image_fs || value.container_fs) {
      out_.key("runtime");
      out_.begin_object();
      fs("imageFs", value.image_fs);
      fs("containerFs", value.container_fs);
      out_.end_object();
    }
    object("rlimit", value.rlimit, [this](const RlimitStats& rlimit) {
      time("time", rlimit.time);
      number("maxpid", rlimit.max_pid);
      number("curproc", rlimit.running);
    });
    swap(value.swap);
    out_.end_object();
  }

  JsonWriter out_;
};

}  // namespace

std::string summary_json(const Summary& summary) { return SummaryWriter().write(summary); }

}  // namespace keelson::stats
