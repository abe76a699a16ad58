#include "pool/zsmalloc.hpp"

#include <algorithm>
#include <utility>

namespace zreplay {

namespace {

enum Four : uint8_t { empty, almost_empty, almost_full, full };

// A comment in the kernel's source calls a quarter almost empty; its code says three quarters.
uint8_t group_of_four(uint32_t used, uint32_t objects) {
    if (used == 0) return empty;
    if (used == objects) return full;
    return used <= 3 * objects / 4 ? almost_empty : almost_full;
}

uint8_t group_of_twelve(uint32_t used, uint32_t objects) {
    if (used == 0) return 0;
    if (used == objects) return 11;
    return static_cast<uint8_t>(100 * used / objects / 10 + 1);
}

}  // namespace

Zsmalloc::Zsmalloc(Options options)
    : table_(options.class_rule, options.chain_limit),
      fuller_stays_in_front_(options.fullness_groups == FullnessGroups::four),
      full_group_(fuller_stays_in_front_ ? 3 : 11),
      is_sample_(options.sample_keep != options.sample_of),
      sample_keep_(options.sample_keep),
      sample_of_(options.sample_of),
      with_frames_(options.frames) {
    for (const SizeClass& shape : table_.classes()) {
        Class& of = classes_.emplace_back();
        of.shape = shape;
        for (uint32_t used = 0; used <= shape.objects; ++used)
            of.group_of.push_back((fuller_stays_in_front_ ? group_of_four : group_of_twelve)(used, shape.objects));
    }
}

// On no list yet: the kernel lists it after its first object is in.
Zsmalloc::Zspage* Zsmalloc::make_zspage(Class& of) {
    void* place;
    if (of.discarded.empty()) {
        const size_t cells = (of.shape.objects + 1) / 2 * 2;
        place = zspages_.take(Zspage::header_bytes + cells * sizeof(uint32_t) +
                              (with_frames_ ? of.shape.pages * sizeof(Frame*) : 0));
        of.memory.push_back(static_cast<Zspage*>(place));
    } else {
        place = of.discarded.back();
        of.discarded.pop_back();
    }
    auto* zspage = static_cast<Zspage*>(place);
    zspage->in_use = zspage->first_free = 0;
    zspage->group = 0;
    zspage->of = static_cast<uint8_t>(&of - classes_.data());
    zspage->first_page_id = next_page_id_;
    zspage->pages_moved = false;
    next_page_id_ += of.shape.pages;
    for (uint32_t k = 0; with_frames_ && k < of.shape.pages; ++k) frames_of(zspage)[k] = frames_.make(zspage, k);
    for (uint32_t i = 0; i < of.shape.objects; ++i)
        zspage->cells()[i] = uint32_t{i + 1 < of.shape.objects ? i + 1 : no_object} << 1;
    ++of.zspages;
    usage_.pages += of.shape.pages;
    pages_ += of.shape.pages;
    return zspage;
}

void Zsmalloc::release(Class& of, Zspage* zspage) {
    for (uint32_t k = 0; with_frames_ && k < of.shape.pages; ++k) frames_.release(frames_of(zspage)[k]);
    if (zspage->pages_moved) moved_pages_.erase(zspage);
    of.discarded.push_back(zspage);
    --of.zspages;
    usage_.pages -= of.shape.pages;
    pages_ -= of.shape.pages;
    if (is_sample_) count_excess(of);
}

Zsmalloc::Zspage* Zsmalloc::isolate(Class& of, uint32_t group) {
    Zspage* zspage = of.groups[group].head();
    ++cost_->headers_read;
    unlist(of, zspage);
    return zspage;
}

uint64_t Zsmalloc::compact() {
    Compaction compaction(*this);
    while (compaction.step()) {
    }
    return compaction.pages_freed();
}

bool Zsmalloc::Compaction::step() {
    while (next_class_ < pool_.classes_.size()) {
        Class& of = pool_.classes_[next_class_];
        const Moves before = pool_.moves_;
        if (!(pool_.fuller_stays_in_front_ ? pool_.compact_one_source(of) : pool_.compact_one_destination(of))) ++next_class_;
        pages_freed_ += pool_.moves_.pages_compacted - before.pages_compacted;
        if (pool_.moves_.objects_copied != before.objects_copied) return true;
    }
    return false;
}

bool Zsmalloc::Compaction::next_step_shows() const {
    if (pool_.fuller_stays_in_front_) return true;
    for (size_t i = next_class_; i < pool_.classes_.size(); ++i) {
        const Class& of = pool_.classes_[i];
        if (!pool_.can_compact(of) || !of.nonempty) continue;
        const Zspage* destination = of.groups[fullest(of.nonempty)].head();
        const Zspage* source = of.groups[emptiest(of.nonempty)].head();
        return destination == source || source->in_use <= of.shape.objects - destination->in_use;
    }
    return true;
}

// Kernel-model 5.6. Source and destination are both off the lists, so they differ. False: the class has nothing to give.
bool Zsmalloc::compact_one_source(Class& of) {
    if (!of.nonempty) return false;
    Zspage* source = isolate(of, emptiest(of.nonempty));
    Zspage* destination = nullptr;
    bool stuck = can_compact(of) == 0;
    for (uint16_t i = 0; i < of.shape.objects && !stuck; ++i) {
        if (!(source->cells()[i] & 1)) continue;
        if (destination && destination->in_use == of.shape.objects) {
            enlist(of, destination);
            destination = nullptr;
        }
        if (!destination) {
            stuck = !of.nonempty;
            if (stuck) break;
            destination = isolate(of, fullest(of.nonempty));
        }
        move_object(source, i, destination);
    }
    if (destination) enlist(of, destination);
    if (source->in_use) {
        enlist(of, source);
        return false;
    }
    moves_.pages_compacted += of.shape.pages;
    release(of, source);
    return true;
}

// Kernel-model 5.9. True: the destination is full, which is when the kernel lets go of its lock; there may be more to do.
bool Zsmalloc::compact_one_destination(Class& of) {
    if (!can_compact(of) || !of.nonempty) return false;
    Zspage* destination = isolate(of, fullest(of.nonempty));
    while (can_compact(of) && of.nonempty) {
        Zspage* source = isolate(of, emptiest(of.nonempty));
        for (uint16_t i = 0; source->in_use && destination->in_use < of.shape.objects; ++i)
            if (source->cells()[i] & 1) move_object(source, i, destination);
        if (source->in_use) {
            enlist(of, source);
        } else {
            moves_.pages_compacted += of.shape.pages;
            release(of, source);
        }
        if (destination->in_use == of.shape.objects) {
            enlist(of, destination);
            return true;
        }
    }
    enlist(of, destination);
    return false;
}

void Zsmalloc::move_object(Zspage* source, uint16_t index, Zspage* destination) {
    Handle* handle = handle_in(source->cells()[index]);
    push_free(source, index);
    place(handle, destination);
    ++moves_.objects_copied;
    ++moves_.handles_rewritten;
    if (on_move_) on_move_(handle->entry, Location(handle, 0));
}

// An object that started in the page before and ends in this one travels with the copy and needs nothing.
Migration Zsmalloc::migrate(Location location, uint32_t page) {
    const Handle* chosen = location.descriptor<Handle>();
    Zspage* zspage = zspage_of(chosen);
    const SizeClass& shape = this->shape(zspage);
    ++cost_->headers_read;
    if (!zspage->pages_moved) {
        std::vector<uint64_t>& ids = moved_pages_[zspage];
        for (uint32_t k = 0; k < shape.pages; ++k) ids.push_back(zspage->first_page_id + k);
        zspage->pages_moved = true;
    }
    moved_pages_[zspage][page] = next_page_id_++;
    if (with_frames_) {
        Frame* old = std::exchange(frames_of(zspage)[page], frames_.make(zspage, page));
        frames_.release(old);
    }
    uint32_t objects = 0;
    for (uint32_t i = first_object(zspage, page); i < shape.objects && i * shape.size_bytes / page_bytes == page; ++i) {
        if (!(zspage->cells()[i] & 1)) continue;
        Handle* handle = handle_in(zspage->cells()[i]);
        ++objects;
        ++cost_->headers_read;  // the object's back pointer
        if (on_move_) on_move_(handle->entry, Location(handle, 0));
    }
    ++moves_.pages_migrated;
    moves_.handles_rewritten += objects;
    return {0, objects};
}

std::vector<ClassRow> Zsmalloc::classes() const {
    std::vector<ClassRow> rows;
    for (const Class& of : classes_) {
        if (!of.zspages) continue;
        uint64_t with_room = 0;
        for (const Group& group : of.groups) with_room += group.size();
        ClassRow& row = rows.emplace_back();
        row.class_size = of.shape.size_bytes;
        row.pages = of.zspages * of.shape.pages;
        row.objects_used = of.objects_used;
        row.objects_allocated = of.objects_allocated();
        row.full = of.zspages - with_room;
        if (full_group_ != full) continue;  // twelve groups have no such names
        row.almost_empty = of.groups[almost_empty].size();
        row.almost_full = of.groups[almost_full].size();
    }
    std::ranges::reverse(rows);
    return rows;
}

// Kernel-model 5.3 and 7.9-12, 14: every zspage in its class's right group, its free objects in one stack, and every
// handle and object pointing at each other.
void Zsmalloc::check() const {
    PoolUsage seen;
    for (const Class& of : classes_) {
        uint64_t zspages = 0, with_room = 0, listed = 0, objects_used = 0;
        for (const Zspage* zspage : of.memory) {
            if (!zspage->in_use) continue;
            ++zspages;
            with_room += zspage->in_use < of.shape.objects;
            objects_used += zspage->in_use;
            require(&classes_[zspage->of] == &of, "assertion 12: a zspage knows its class", of.shape.size_bytes);
            require(zspage->group == of.group_of[zspage->in_use], "assertion 12: a zspage is in the group of its objects in use",
                    zspage->group, of.group_of[zspage->in_use]);
            seen.asked_bytes += check_objects(of, zspage);
        }
        for (uint32_t g = 0; g < most_groups; ++g) {
            require((of.nonempty >> g & 1) == !of.groups[g].empty(), "assertion 12: the bitmap says which groups have zspages", g);
            of.groups[g].for_each([&](uint64_t place, const Zspage* zspage) {
                ++listed;
                require(zspage->in_use && zspage->group == g, "assertion 12: a zspage is on the list of its group", zspage->group, g);
                require(zspage->place == place, "assertion 12: a zspage knows its place on the list", zspage->place, place);
            });
        }
        require(listed == with_room, "assertion 12: exactly the zspages with room are listed", listed, with_room);
        require(of.memory.size() == zspages + of.discarded.size(), "assertion 12: every other zspage waits to be used again",
                of.memory.size() - zspages, of.discarded.size());
        require(zspages == of.zspages, "assertion 12: zspages of a class", of.zspages, zspages);
        require(objects_used == of.objects_used, "assertion 12: objects of a class", of.objects_used, objects_used);
        seen.pages += zspages * of.shape.pages;
        seen.objects += objects_used;
        seen.used_bytes += objects_used * of.shape.size_bytes;
    }
    require(seen.pages == usage_.pages, "assertion 12: pages", usage_.pages, seen.pages);
    require(seen.objects == usage_.objects, "assertion 12: objects", usage_.objects, seen.objects);
    require(!with_frames_ || frames_.live() == seen.pages, "assertion 12: one frame a page", frames_.live(), seen.pages);
    require(seen.objects == handles_.live(), "assertion 12: one handle an object", handles_.live(), seen.objects);
    require(seen.asked_bytes == usage_.asked_bytes, "assertion 12: asked bytes", usage_.asked_bytes, seen.asked_bytes);
    require(seen.used_bytes == usage_.used_bytes, "assertion 12: used bytes", usage_.used_bytes, seen.used_bytes);
}

// Gives the bytes its objects were asked for with.
uint64_t Zsmalloc::check_objects(const Class& of, const Zspage* zspage) const {
    uint64_t asked_bytes = 0;
    uint32_t in_use = 0, free = 0;
    for (uint32_t i = 0; i < of.shape.objects; ++i) {
        if (!(zspage->cells()[i] & 1)) continue;
        const Handle* handle = handle_in(zspage->cells()[i]);
        const uint64_t page_id = this->page_id(zspage, i * of.shape.size_bytes / page_bytes);
        ++in_use;
        asked_bytes += handle->size_bytes;
        if (zspage_of(handle) != zspage || handle->index != i)
            assertion_failed(2, "a handle names the object that names it", page_id, handle->entry, handle->index, i);
        if (&classes_[table_.of_request(handle->size_bytes)] != &of)
            assertion_failed(12, "an object is in the class of its size", page_id, handle->entry, of.shape.size_bytes,
                             handle->size_bytes);
    }
    require(in_use == zspage->in_use, "assertion 12: objects in use of a zspage", zspage->in_use, in_use);
    for (uint16_t i = zspage->first_free; i != no_object; i = static_cast<uint16_t>(zspage->cells()[i] >> 1)) {
        require(i < of.shape.objects && !(zspage->cells()[i] & 1), "assertion 12: the free stack holds free objects", i,
                of.shape.objects);
        ++free;
        require(free + in_use <= of.shape.objects, "assertion 12: the free stack has no loop", free + in_use, of.shape.objects);
    }
    require(free + in_use == of.shape.objects, "assertion 12: every object is in use or in the free stack", free + in_use,
            of.shape.objects);
    return asked_bytes;
}

}  // namespace zreplay
