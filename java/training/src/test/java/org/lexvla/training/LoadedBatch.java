package org.lexvla.training;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.model.ImageTransform;

/** A copy of a batch on the heap. */
record LoadedBatch(List<String> keys, List<String> captions, List<Byte> pixels, DataPosition after) {
    /** Small, but not as small as the pictures: they are resized. */
    static final ImageTransform TRANSFORM = ImageTransform.imageNet(8);

    static LoadedBatch of(Batch batch) {
        List<Byte> pixels = new ArrayList<>();
        for (int row = 0; row < batch.size(); row++) {
            for (ByteBuffer place = batch.place(row); place.hasRemaining(); ) {
                pixels.add(place.get());
            }
        }
        return new LoadedBatch(batch.keys(), batch.captions(), pixels, batch.after());
    }

    /** Batches of one process from a position on; the memory is all freed afterwards. */
    static List<LoadedBatch> take(CaptionSource source, TrainingConfig config, DataPosition from, int count)
            throws Exception {
        return take(source, config, Part.WHOLE, from, count);
    }

    static List<LoadedBatch> take(CaptionSource source, TrainingConfig config, Part part, DataPosition from, int count)
            throws Exception {
        List<LoadedBatch> batches = new ArrayList<>();
        try (BufferAllocator allocator = new RootAllocator();
                BatchLoader loader = new BatchLoader(source, TRANSFORM, config, part, from, null, allocator)) {
            for (int i = 0; i < count; i++) {
                try (Batch batch = loader.take()) {
                    batches.add(of(batch));
                }
            }
        }
        return batches;
    }
}
