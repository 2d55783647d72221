// PullRecords: keeps the pull records of this node, in memory and on the disk, and decides by them.
//
//   ROOT/image_manager/pulling/sha256-HEX   an intent: a pull of that image has begun
//   ROOT/image_manager/pulled/sha256-HEX    a record: who has pulled that image
//
// All files are read once at the start; after that memory is what counts and one task writes what has changed, one file
// after another, again after a while what could not be written. An intent is on the disk before its pull begins and
// goes only when the record of the pull is there, or the runtime has refused it; it stays when nobody knows what came
// of the pull (its pod was deleted, the runtime went away). So a crash never makes a private image look preloaded:
// intents that are found at the start and whose image the runtime has become records that let nobody in. Files that
// cannot be read count as records of the same kind. Owner: PodEngine. Thread: the loop. Stops: with the gate it was
// started in. What fails: intend(), when the intent cannot be written; nothing else. Source: contract 02 §16.3.
#pragma once

#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/images/image_files.hpp"
#include "agent/images/pull_record.hpp"
#include "base/clock.hpp"
#include "base/counters.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::agent {

class PullRecords {
 public:
  PullRecords(base::Loop& loop, base::Clock& clock, ImageFiles& files, std::string root, PullVerification verification,
              base::Logger log);
  PullRecords(const PullRecords&) = delete;
  PullRecords& operator=(const PullRecords&) = delete;

  // Reads what is there, then keeps the disk up to date.
  void start(base::Gate& gate, cri::ImageService& images);

  // False with the feature gate KubeletEnsureSecretPulledImages off: nothing is recorded, everybody may use everything.
  bool enabled() const { return verification_.policy != VerificationPolicy::off; }

  // Whether a pod may use an image that is there. `image` is as the pod names it, `ref` the runtime's reference.
  base::Task<Verdict> ask(std::string image, std::string ref);
  // The answer to Verdict::by_name. A secret that is let in is remembered.
  bool admits(const std::string& image, const std::string& ref, const std::vector<Credential>& credentials);

  // A pull that has been announced. Gone without pulled(): it has failed, or was given up.
  class Intent {
   public:
    Intent(PullRecords* owner, std::string image) : owner_(owner), image_(std::move(image)) {}
    Intent(Intent&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), image_(std::move(other.image_)), open_(other.open_) {}
    Intent& operator=(Intent&&) = delete;
    ~Intent() {
      if (owner_ == nullptr) return;
      if (open_) {
        owner_->leave_intent(image_);
      } else {
        owner_->refuse_intent(image_);
      }
    }
    // From now on the image may come to be on the node, until the runtime has said that it did not.
    void asked() { open_ = true; }
    void refused() { open_ = false; }
    // Success, with that credential (null: anonymous).
    void pulled(const std::string& ref, const Credential* credential) {
      if (auto* owner = std::exchange(owner_, nullptr)) owner->note_pulled(image_, ref, credential);
    }

   private:
    PullRecords* owner_;
    std::string image_;
    bool open_ = false;
  };
  base::Task<Result<Intent>> intend(std::string image);

  // Garbage collection: of records not touched since `until` only those of these references stay.
  void keep_only(const std::set<std::string>& refs, base::SystemTime until);

  const std::map<std::string, PulledRecord>& pulled() const { return pulled_; }
  // For the metrics: intents that are on the disk, and how ask() and admits() were answered, by result.
  std::size_t intents_on_disk() const;
  const base::CountsBy<1>& checks() const { return checks_; }
  // Everything that is to be written has been.
  bool settled() const { return dirty_.empty() && failed_.empty() && !writing_; }

 private:
  // A file, by what it is about.
  struct File {
    bool intent = false;
    std::string about;  // the image, or the reference
    auto operator<=>(const File&) const = default;
  };
  struct Pending {
    int pulls = 0;  // that are under way
    bool on_disk = false;
    bool unsure = false;      // of an earlier pull nobody knows what came
    std::uint64_t tries = 0;  // to write it
    std::optional<Error> failure;
  };

  std::string directory(bool intents) const { return root_ + (intents ? "/pulling" : "/pulled"); }
  std::string path_of(const File& file) const { return directory(file.intent) + "/" + record_file_name(file.about); }
  std::optional<std::string> content_of(const File& file) const;
  bool knows(const std::string& image, const std::string& ref) const;

  base::Task<void> read_files();
  base::Task<Status> read_once();
  void take_intent(const std::string& name, const Result<std::string>& content);
  void take_record(const std::string& name, const Result<std::string>& content);
  base::Task<void> recover(cri::ImageService* images);
  void recover_from(const std::vector<cri::Image>& images);

  void note_pulled(const std::string& image, const std::string& ref, const Credential* credential);
  void drop_intent(const std::string& image);
  void refuse_intent(const std::string& image);
  void leave_intent(const std::string& image);
  void write_soon(File file);
  base::Task<void> write_changes();
  base::Task<void> write_file(File file);
  void wrote_intent(const std::string& image, const Status& status);
  void wrote(const File& file, const Status& status);
  void count(const char* result) { ++checks_[{result}]; }

  base::Clock& clock_;
  ImageFiles& files_;
  std::string root_;
  PullVerification verification_;
  base::Logger log_;

  bool tried_ = false;  // to read the files
  bool read_ = false;
  base::Notification tried_bell_;
  std::map<std::string, PulledRecord> pulled_;  // by reference
  std::map<std::string, Pending> intents_;      // by image, as pods name it
  std::set<std::string> unreadable_;            // paths of files that are there

  base::CountsBy<1> checks_;

  std::list<File> dirty_;
  std::list<File> failed_;
  bool writing_ = false;
  std::multimap<std::string, std::string> after_record_;  // reference -> image whose intent goes when it is written
  base::Notification dirty_bell_;
  base::Notification wrote_bell_;
};

}  // namespace keelson::agent
